import { expect, test } from "vitest";
import { trait } from "../src/core/reactive";
import { type Model, save } from "../src/core/widget_model";
import type { HeadTableTraits } from "../src/generated/traits";
import { FakeModel } from "./fake_model";

test("a name that is no trait of the view, or a value of another type, does not compile", () => {
  const fake = new FakeModel({ n_rows: 4, filter: "" });
  const model: Model<HeadTableTraits> = fake;
  const rows: number = model.get("n_rows");
  // @ts-expect-error: the trait is called n_rows
  model.get("rows");
  // @ts-expect-error: an attention view has it, a head table has not
  trait(model, "thumbnails", new AbortController().signal);
  // @ts-expect-error: a filter is a text
  model.set("filter", 3);
  save(model, { filter: "layer > 2" });
  expect([rows, fake.saved.at(-1)]).toEqual([4, { filter: "layer > 2" }]);
});
