/** What a browser of features writes: Python lines that make it again, the list and a latent's examples as CSV. */
import { csvLine } from "../core/export/files";
import { python, selectedTokens, viewCode } from "../core/export/python_code";
import type { State } from "./state";

/** `FeatureBrowser(index, latent=27)` for the present state; what is at its default is left out. */
export function pythonCode(state: State): string {
  const { model } = state;
  const [column, direction] = model.get("sort");
  const latent = model.get("latent");
  const token = state.chosen;
  const searched = model.get("search");
  const args = [
    "index",
    ...model.get("arguments"),
    latent !== null && `latent=${latent}`,
    model.get("filter") && `filter=${python(model.get("filter"))}`,
    (column !== "match" || direction !== "descending") && `sort=("${column}", "${direction}")`,
    searched && model.get("search_by") !== "fires_on" && `search_by="${model.get("search_by")}"`,
    searched && `search=${python(searched)}`,
    token !== undefined && selectedTokens([token]),
  ];
  return viewCode(model.get("made_by"), "FeatureBrowser", args);
}

/** One line a latent that is listed. */
export function listCsv({ columns, rows, found }: State): string {
  const matches = found.peek();
  const match = new Map(matches ? Array.from(matches.rows, (row, at) => [row, matches.match[at]!]) : []);
  const { latents, counts, rate, mean, max, score } = columns;
  const names = [
    "latent",
    "count",
    "rate",
    "mean",
    "max",
    ...(score ? ["label_score"] : []),
    ...(matches ? ["match"] : []),
  ];
  const lines = [csvLine(names)];
  for (const row of rows.peek()) {
    const labelled = score ? [Number.isNaN(score[row]!) ? "" : score[row]!] : [];
    const found = matches ? [match.get(row) ?? ""] : [];
    lines.push(csvLine([latents[row]!, counts[row]! >>> 0, rate[row]!, mean[row]!, max[row]!, ...labelled, ...found]));
  }
  return lines.join("");
}

/** One line a token of an example of the open latent. */
export function latentCsv(state: State): string {
  const latent = state.latent.peek();
  const page = latent === null ? undefined : state.knownPage(latent);
  if (!page) throw new Error("Open the page of a latent first.");
  const lines = [csvLine(["latent", "example", "quarter", "text", "position", "token", "activation"])];
  page.lines.forEach((line, example) => {
    line.tokens.forEach((token, at) => {
      const value = line.values[at];
      const quarter = line.quarter === null ? "" : line.quarter + 1;
      const position = line.position + at - line.at;
      lines.push(csvLine([page.latent, example, quarter, line.sample, position, token, value ?? "not known"]));
    });
  });
  return lines.join("");
}
