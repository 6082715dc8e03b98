/** The bar of a workbench: which panes are shown, what is selected in them, and the prompt that all of them follow. */

import { bytes } from "./core/bytes";
import { h } from "./core/elements/dom";
import { createToolbar } from "./core/elements/toolbar";
import { download, fileName } from "./core/export/files";
import { python, selectedHeads, selectedTokens, viewCode } from "./core/export/python_code";
import { computed, signal, sizeOf, trait, watch } from "./core/reactive";
import type { Selection } from "./core/selection";
import { type View, widget } from "./core/view";
import { save } from "./core/widget_model";
import type { WorkbenchBarTraits } from "./generated/traits";
import css from "./workbench_bar/workbench_bar.css";

const KEYS = [["?", "this list"]] as const;
/** Below it the buttons of the panes have a line of their own. */
const NARROW = 720;

export default widget(css, build);

function build(view: View<WorkbenchBarTraits>): void {
  const { model, root, title, selection, requests, until } = view;
  root.classList.add("sw-wb");
  const { controls } = createToolbar(
    root,
    {
      title,
      chips: chipsOf(selection, until),
      keys: KEYS,
      code: () => code(view),
      saves: {
        HTML: async () => {
          const { buffers } = await requests.ask("html");
          download(`${fileName(title.peek())}.html`, new Blob([bytes(buffers[0]!).slice()], { type: "text/html" }));
        },
      },
    },
    until,
  );
  controls.append(paneButtons(view));
  const note = h("div", { class: "wb-note", role: "status" });
  const said = trait(model, "note", until);
  watch(until, () => {
    note.textContent = said.value;
    note.hidden = !said.value;
  });
  root.append(note);
  const size = sizeOf(root, until);
  watch(until, () => void root.classList.toggle("wb-narrow", size.value[0] > 0 && size.value[0] < NARROW));
}

function chipsOf(selection: Selection, until: AbortSignal) {
  const [heads, tokens] = [signal(selection.heads), signal(selection.tokens)];
  selection.subscribe(() => {
    heads.value = selection.heads;
    tokens.value = selection.tokens;
  }, until);
  return computed(() => [
    ...heads.value.map((head) => ({
      text: head.join("."),
      clear: () => selection.setHeads(selection.heads.filter((other) => `${other}` !== `${head}`)),
    })),
    ...tokens.value.map((token) => ({
      text: `token ${token}`,
      clear: () => selection.setTokens(selection.tokens.filter((other) => other !== token)),
    })),
  ]);
}

function paneButtons({ model, until }: View<WorkbenchBarTraits>): HTMLElement {
  const hidden = trait(model, "hidden", until);
  const panes = model.get("panes") as [string, string][];
  const buttons = panes.map(([name, title]) => {
    const toggle = (): void => {
      const without = hidden.peek().filter((other) => other !== name);
      save(model, { hidden: without.length < hidden.peek().length ? without : [...without, name] });
    };
    const button = h(
      "button",
      { class: "sw-button", type: "button", title: `Show or hide: ${title}`, onclick: toggle },
      title,
    );
    watch(until, () => button.setAttribute("aria-pressed", String(!hidden.value.includes(name))));
    return button;
  });
  return h("span", { class: "wb-panes", role: "group", "aria-label": "Panes" }, ...buttons);
}

function code({ model, selection }: View<WorkbenchBarTraits>): string {
  const prompt = model.get("prompt_history")[model.get("prompt_at")] ?? "";
  const hidden = model.get("hidden");
  return viewCode(
    model.get("made_by"),
    "Workbench",
    [
      "scope",
      python(prompt),
      ...model.get("arguments"),
      hidden.length ? `hidden=${python(hidden)}` : "",
      selectedHeads(selection.heads),
      selectedTokens(selection.tokens),
    ],
    selection.notes,
  );
}
