/** The traits of every view. Generated from scope_widgets/widgets by `make traits`: change the traits there. */
import type { Bytes } from "../core/bytes";

export interface ViewTraits {
  title: string;
  theme: "auto" | "dark" | "light";
  n_layers: number | null;
  n_heads: number | null;
  /** Python lines that make what is shown, see `reproducing_code` */
  made_by: string;
  /** [term, meaning, formula, source] */
  definitions: string[][];
  /** of which model and prompts it is, as a sentence */
  origin: string;
  /** something beside it steers its prompt, and it shows the model as it is */
  unsteered: boolean;
  readonly selection_id: string;
  selected_heads: any;
  selected_tokens: any;
  /** names, as `Selection.latents` */
  selected_latents: any;
  /** samples and positions, in the browser as "0 7 12 3" */
  selected_points: any;
  /** [[layer, head, text], ...], the notes of the selection */
  head_notes: any;
}

export interface AttentionStackTraits extends ViewTraits {
  /** prompts shown so far; empty where there is no model to run another */
  prompt_history: string[];
  /** which of them is on show */
  prompt_at: number;
  /** there is a line to change it in */
  prompt_line: boolean;
  /** how many others were shown: each is drawn anew */
  shown: number;
  tokens: string[];
  /** uint8 [layer, head, row, column] */
  thumbnails: Bytes;
  thumbnail_size: number;
  /** how many layers `thumbnails` holds so far */
  thumbnail_layers: number;
  /** 0: a stack, 1: flat */
  spread: number;
  /** degrees */
  turn: number;
  /** degrees */
  tilt: number;
  scale: "linear" | "log";
  limits: [number, number];
  threshold: number;
  height: number | null;
}

export interface AttentionViewTraits extends ViewTraits {
  /** prompts shown so far; empty where there is no model to run another */
  prompt_history: string[];
  /** which of them is on show */
  prompt_at: number;
  /** there is a line to change it in */
  prompt_line: boolean;
  /** how many others were shown: each is drawn anew */
  shown: number;
  quantity: "attention" | "value_weighted";
  /** whether the tokens that the opened head writes and reads are shown */
  head_tokens: boolean;
  /** why there are neither; empty where there are */
  no_weights: string;
  /** there is a model, and one prompt, to intervene on */
  can_intervene: boolean;
  /** the list of interventions and what it does, see `_told` */
  intervened: Record<string, any>;
  tokens: string[];
  versus_tokens: string[];
  /** of each position of A that of B, or -1; empty: the same */
  partners: number[];
  /** layers and heads of B */
  versus_shape: number[];
  /** [[layer, head, layer of B, head of B], ...] of other names */
  head_pairs: any[];
  /** whether there is B - A */
  differs: boolean;
  /** what of A and B is compared, as a sentence */
  comparison: string;
  /** uint8 [side, layer, head, row, column] */
  thumbnails: Bytes;
  thumbnail_size: number;
  /** how many layers `thumbnails` holds so far */
  thumbnail_layers: number;
  /** [[layer, head, letter], ...] */
  letters: any[];
  /** names; empty until they are computed */
  statistics: string[];
  /** float32 [statistic, layer, head] */
  statistic_values: Bytes;
  /** [layer, head, statistic]; empty where none stands out */
  strongest: any[];
  /** a statistic; empty: by layer and head */
  sort: string;
  filter: string;
  pinned_heads: any;
  /** as Python, those that Python alone sets */
  arguments: string[];
  scale: "linear" | "log";
  limits: [number, number];
  threshold: number;
  height: number;
}

export interface AttributionViewTraits extends ViewTraits {
  /** prompts shown so far; empty where there is no model to run another */
  prompt_history: string[];
  /** which of them is on show */
  prompt_at: number;
  /** there is a line to change it in */
  prompt_line: boolean;
  /** how many others were shown: each is drawn anew */
  shown: number;
  /** there is a model, and one prompt, to intervene on */
  can_intervene: boolean;
  /** the list of interventions and what it does, see `_told` */
  intervened: Record<string, any>;
  /** [name, layer, head] a part; -1 where there is none */
  components: any[][];
  /** float64 a part, NaN where it is not known */
  contributions: Bytes;
  /** standard error of each mean, float64; empty for one prompt */
  errors: Bytes;
  /** [layer, part, contribution, total], see accumulated() */
  steps: any[][];
  /** the different answers, the first of them */
  answer: string[];
  versus: string[];
  /** the model's own logit difference, mean over prompts */
  whole: number;
  /** largest distance of the sum of the parts from it */
  residue: number;
  n_prompts: number;
  /** why neurons cannot be asked for; empty: they can */
  no_neurons: string;
  /** layer of the MLP whose neurons are shown */
  mlp: number | null;
  limit: number | null;
  threshold: number;
  height: number | null;
}

export interface CircuitGraphTraits extends ViewTraits {
  /** there is a model, and one prompt, to intervene on */
  can_intervene: boolean;
  /** the list of interventions and what it does, see `_told` */
  intervened: Record<string, any>;
  n_kv_heads: number;
  parallel: boolean;
  /** of a graph of latents: what each is, and where it stands */
  nodes: any[];
  /** the node of each receiver of a graph of latents */
  receiving: number[];
  /** columns of a graph of latents */
  columns: number;
  /** uint16 an edge, the strongest first */
  senders: Bytes;
  /** the same */
  receivers: Bytes;
  /** float32 an edge, the strongest first; NaN where there is none */
  scores: Bytes;
  /** uint8 an edge: whether the circuit as given has it */
  given: Bytes;
  /** the same of `compare`; empty without */
  other: Bytes;
  /** float32 an edge */
  other_scores: Bytes;
  /** what both circuits are, in words */
  names: string[];
  metric: string;
  /** [name, text] of the circuit */
  facts: string[][];
  /** there is a model to measure with */
  live: boolean;
  /** the caller gave the pairs to measure on */
  held_out: boolean;
  /** what is measured on, in words */
  pairs: string;
  /** see `question.asked` */
  question: Record<string, any>;
  /** empty where none is known */
  curve: Record<string, any>;
  kept: any;
  removed: any;
  added: any;
  labels: any;
  groups: any;
  pins: any;
  height: number | null;
}

export interface FeatureBrowserTraits extends ViewTraits {
  /** int32: those that are listed; empty: all */
  latents: Bytes;
  n_listed: number;
  /** on which latents were counted */
  n_tokens: number;
  /** uint32: on how many tokens each fires */
  counts: Bytes;
  /** float16: mean where it fires, as a share of the largest */
  means: Bytes;
  /** float32 */
  maxima: Bytes;
  /** float16: detection of the label, NaN where it has none; empty without labels */
  scores: Bytes;
  /** uint8: largest cosine with a latent of the other SAE, 0 to 255 for -1 to 1 */
  others: Bytes;
  latent: number | null;
  filter: string;
  sort: string[];
  search_by: "fires_on" | "token" | "text" | "label" | "promotes" | "latent";
  search: string;
  /** why no text can be run, as a sentence; empty where one can */
  cannot_run: string;
  /** notes on latents can be written beside the index */
  can_write: boolean;
  /** of the SAE, as in names of latents: "3", "12.mlp_out" */
  place: string;
  /** [latent, text] of the last that was asked why it fires; empty: none */
  explained: any[];
  /** what a reader must know, as a sentence */
  notice: string;
  /** where the index came from, as lines */
  source: string[];
  /** as Python, those that Python alone sets */
  arguments: string[];
  height: number | null;
}

export interface HeadTableTraits extends ViewTraits {
  /** prompts shown so far; empty where there is no model to run another */
  prompt_history: string[];
  /** which of them is on show */
  prompt_at: number;
  /** there is a line to change it in */
  prompt_line: boolean;
  /** how many others were shown: each is drawn anew */
  shown: number;
  /** there is a model, and one prompt, to intervene on */
  can_intervene: boolean;
  /** the list of interventions and what it does, see `_told` */
  intervened: Record<string, any>;
  n_rows: number;
  /** See `_columns.pack`. */
  columns: Record<string, any>[];
  /** float64 or float32, one column after another */
  numbers: Bytes;
  texts: Record<string, any>;
  letters: string[];
  evidence: string[];
  /** uint8 [row, position] */
  strips: Bytes;
  strip_tokens: string[];
  strip_queries: number[];
  /** What a reader must know, as a sentence. */
  message: string;
  /** as Python, those that Python alone sets */
  arguments: string[];
  filter: string;
  sort: any[];
}

export interface LogitLensViewTraits extends ViewTraits {
  /** prompts shown so far; empty where there is no model to run another */
  prompt_history: string[];
  /** which of them is on show */
  prompt_at: number;
  /** there is a line to change it in */
  prompt_line: boolean;
  /** how many others were shown: each is drawn anew */
  shown: number;
  tokens: string[];
  /** Lowest first; the last one enters the final norm. */
  layers: number[];
  /** int32 [layer, position] */
  top_ids: Bytes;
  /** float32 [layer, position] */
  top_probabilities: Bytes;
  /** token id -> text, of the top and the watched tokens */
  texts: Record<string, any>;
  /** token ids */
  watched: number[];
  colour: "probability" | "entropy" | "kl" | "rank" | "token_probability";
  /** the watched token of the colours */
  token: number | null;
  scale: "linear" | "log";
  limits: [number, number] | null;
  threshold: number;
  chart: "rank" | "probability";
  height: number;
}

export interface PatchingMapTraits extends ViewTraits {
  /** prompts shown so far; empty where there is no model to run another */
  prompt_history: string[];
  /** which of them is on show */
  prompt_at: number;
  /** there is a line to change it in */
  prompt_line: boolean;
  /** how many others were shown: each is drawn anew */
  shown: number;
  /** there is a model, and one prompt, to intervene on */
  can_intervene: boolean;
  /** the list of interventions and what it does, see `_told` */
  intervened: Record<string, any>;
  /** layer, head, position; or component */
  axes: string[];
  shape: number[];
  positions: string[];
  /** positions are those of the prompt, not roles */
  are_tokens: boolean;
  /** heads are those of the model, not key-value heads */
  are_heads: boolean;
  /** [name, layer, head] a cell of an attribution */
  components: any[][];
  over: string;
  quantity: string;
  meaning: string;
  message: string;
  prompts: string[];
  metric: string;
  /** see `question.asked` */
  question: Record<string, any>;
  /** of an attribution: the metric that its parts sum to */
  whole: number | null;
  /** of an attribution */
  residue: number | null;
  /** of patching one pair: the corrupted prompt to each of `prompt_history` */
  corrupted_history: string[];
  /** float64 or float32 a cell, see `_effects.values_of` */
  values: Bytes;
  /** the same, empty where there are none */
  estimates: Bytes;
  /** there is a sweep that can be run */
  live: boolean;
  start: boolean;
  running: boolean;
  /** uint8 a cell: whether it is 0 by construction and not run; or empty */
  by_construction: Bytes;
  /** cells that were run */
  done: number;
  /** cells to run: all but those that are 0 by construction */
  total: number;
  seconds_left: number | null;
  /** what is waited for */
  waiting: string;
  /** why the last run ended before all was done */
  problem: string;
  shows: "heads" | "positions" | "selected heads";
  limit: number | null;
  threshold: number;
  height: number | null;
}

export interface ProjectionViewTraits extends ViewTraits {
  n_points: number;
  /** numbers of the layers; empty where there is one picture */
  layers: number[];
  /** which of them is on show */
  layer: number;
  /** those that `places` holds */
  held_layers: number[];
  /** float32 [held layer, point, 2] */
  places: Bytes;
  /** [left, bottom, right, top] of all layers */
  frame: number[];
  /** uint16 or int32 [point] */
  samples: Bytes;
  /** uint16 or int32 [point] */
  positions: Bytes;
  /** every token, once */
  words: string[];
  /** uint16 or int32, of each text's tokens, else of each point */
  word_ids: Bytes;
  /** int32 [text + 1], where texts begin in `word_ids`; empty without texts */
  text_starts: Bytes;
  /** see `Column.about` */
  columns: Record<string, any>[];
  /** those that `values` holds */
  held_columns: string[];
  /** float32 [held column, point]; an index of its classes; NaN: none */
  values: Bytes;
  /** a column; empty where there is none */
  colour: string;
  scale: "linear" | "log";
  limits: [number, number] | null;
  /** names of both axes; empty where they mean nothing */
  axes: string[];
  /** of each layer, how well neighbours are kept */
  fidelity: string[];
  /** as Python, those that Python alone sets */
  arguments: string[];
  height: number | null;
}

export interface SteeringPanelTraits extends ViewTraits {
  /** prompts shown so far; empty where there is no model to run another */
  prompt_history: string[];
  /** which of them is on show */
  prompt_at: number;
  /** there is a line to change it in */
  prompt_line: boolean;
  /** how many others were shown: each is drawn anew */
  shown: number;
  /** answers come soon enough to follow a slider */
  interactive: boolean;
  model_name: string;
  prompt_tokens: string[];
  /** texts of the two tokens; empty without */
  answers: string[];
  /** what each slider is, in their order */
  interventions: Record<string, any>[];
  strengths: any;
  enabled: any;
  /** the answer of `steer` at the present strengths */
  start: Record<string, any>;
  /** an intervention came, went or was set, and can be taken back */
  can_undo: boolean;
  /** key to [low, high], for sliders that were swept */
  fluent: Record<string, any>;
  presets: any;
  max_new_tokens: number;
  temperature: number;
  seed: number;
  continue_on_release: boolean;
  /** latents of an autoencoder can be added by their number */
  has_latents: boolean;
  height: number | null;
}

export interface TokenViewTraits extends ViewTraits {
  tokens: string[];
  /** name, label, unit, mean, fixed [low, high] or null */
  columns: Record<string, any>[];
  /** float64 [column, token]; NaN where there is none */
  values: Bytes;
  /** the likeliest token in the place of each; may be empty */
  expected: string[];
  /** as Python, those that Python alone sets */
  arguments: string[];
  column: string;
  signed: boolean | null;
  scale: "linear" | "log" | null;
  limits: [number, number] | null;
  threshold: number;
  height: number | null;
}

export interface WorkbenchBarTraits extends ViewTraits {
  /** prompts shown so far; empty where there is no model to run another */
  prompt_history: string[];
  /** which of them is on show */
  prompt_at: number;
  /** there is a line to change it in */
  prompt_line: boolean;
  /** how many others were shown: each is drawn anew */
  shown: number;
  /** [name, title] of each */
  panes: any[];
  /** names of panes */
  hidden: string[];
  /** what does not follow the prompt, and why */
  note: string;
  /** of the workbench's call, as Python, after the prompt */
  arguments: string[];
}

export interface FramedPageTraits extends ViewTraits {
  /** HTML, shown without scripts */
  document: string;
  height: number | null;
}
