/** The question of a picture: both prompts with the spaces that they have. */
// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { createQuestion, type Question, questionFigure } from "../src/core/elements/question";

const asked = (pairs: Question["pairs"]): Question => ({
  pairs,
  answer: ["x"],
  versus: ["y"],
  same_for_all: true,
  metric: "logit difference",
  n_pairs: 1,
  facts: "",
});

test("words of a tokenizer that leaves the spaces out are joined by them", () => {
  const words = asked([["When"], ["Mary", "Jo"], ["went"]]);
  const element = createQuestion(words);
  expect(element.querySelector(".sw-hidden")!.textContent).toBe("Clean: When Mary went. Corrupted: When Jo went.");
  expect(element.querySelector(".sw-pairs")!.textContent).toMatch(/When\u00a0 MaryJo went/);
  expect(questionFigure(words, 800).svg).toMatch(/>When Mary went<.*> {5}Jo</);
});

test("tokens with their own spaces are not", () => {
  const pieces = asked([["When"], [" Mary", " Jo"], [" went"]]);
  expect(createQuestion(pieces).querySelector(".sw-hidden")!.textContent).toBe(
    "Clean: When·Mary·went. Corrupted: When·Jo·went.",
  );
  expect(questionFigure(pieces, 800).svg).toContain(">When·Mary·went<");
});
