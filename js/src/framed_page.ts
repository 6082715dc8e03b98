/** A page that nothing of runs, in a frame: what a report or a table of runs is written as. */
import { h } from "./core/elements/dom";
import { bindHeight } from "./core/elements/resize";
import { createToolbar } from "./core/elements/toolbar";
import { download, fileName } from "./core/export/files";
import { computed, trait, watch } from "./core/reactive";
import { type View, widget } from "./core/view";
import css from "./framed_page/framed_page.css";
import type { FramedPageTraits } from "./generated/traits";

const HEIGHT = 480;

export default widget(css, build);

function build(view: View<FramedPageTraits>): void {
  const { model, root, theme, title, until } = view;
  const page = trait(model, "document", until);
  createToolbar(
    root,
    {
      title,
      chips: computed(() => []),
      keys: [["?", "this list"]],
      code: async () => model.get("made_by") ?? "",
      saves: {
        HTML: async () =>
          download(`${fileName(title.peek())}.html`, new Blob([page.peek() ?? ""], { type: "text/html" })),
      },
    },
    until,
  );
  const frame = h("iframe", { class: "fp-frame", sandbox: "", title: title.peek() });
  const later = h(
    "p",
    { class: "fp-later", role: "status", hidden: true },
    "It has changed: shown when the pointer leaves it.",
  );
  let shown = "";
  let waiting = "";
  const show = (text: string): void => {
    frame.srcdoc = shown = text;
    waiting = "";
    later.hidden = true;
  };
  watch(until, () => {
    const { dark, ground, ink } = theme.value;
    // the frame is a document of its own, and knows the system's theme alone
    const style = `<style>:root { color-scheme: ${dark ? "dark" : "light"}; background: ${ground}; color: ${ink}; } body { margin: 8px !important; }</style>`;
    const text = `${page.value ?? ""}${style}`;
    // another document begins at its top: whoever reads this one is not thrown out of it
    if (shown && frame.matches(":hover")) {
      waiting = text;
      later.hidden = false;
    } else show(text);
  });
  frame.addEventListener("pointerleave", () => waiting && show(waiting), { signal: until });
  root.append(later, frame);
  bindHeight(view, () => HEIGHT);
}
