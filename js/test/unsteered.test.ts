// @vitest-environment happy-dom
import { expect, test, vi } from "vitest";
import { showUnsteered } from "../src/core/elements/unsteered";
import { saverOf } from "../src/core/export/save_menu";
import { signal } from "../src/core/reactive";
import { FakeModel } from "./fake_model";

test("a view that ignores what is steered says so beside its title, and below its figure", async () => {
  const until = new AbortController().signal;
  const root = document.createElement("div");
  root.innerHTML = '<div class="sw-bar"><span class="sw-title">Logit lens</span></div>';
  const model = new FakeModel({ unsteered: false, origin: "Model demo." });
  showUnsteered(root, model, until);
  const words = root.querySelector('.sw-title + [role="status"]')!;
  const written: Blob[] = [];
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => (written.push(blob as Blob), "blob:x"));
  const view = { model, root, title: signal("Logit lens"), requests: {}, onPaper: (draw: () => unknown) => draw() };
  const { svg } = saverOf({ ...view, until } as any, () => ({ svg: "<svg></svg>", width: 400, height: 100 }));
  for (const unsteered of [false, true, false]) {
    model.arrive("unsteered", unsteered);
    expect(words.textContent).toBe(unsteered ? "Without steering." : "");
    svg();
    expect((await written.at(-1)!.text()).includes("Model demo. Without steering.<")).toBe(unsteered);
  }
});
