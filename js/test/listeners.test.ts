import { expect, test } from "vitest";
import { Listeners } from "../src/core/listeners";

test("each listener of an event hears what it is told, once, until it is taken away", () => {
  const told = new Listeners();
  const heard: unknown[][] = [];
  const one = (...args: unknown[]) => heard.push(["one", ...args]);
  const other = (...args: unknown[]) => heard.push(["other", ...args]);
  told.on("change", one);
  told.on("change", one);
  told.on("change", other);
  told.on("custom", other);
  told.tell("change", 1, "a");
  told.off("change", one);
  told.tell("change");
  told.off("change");
  told.off("never", one);
  told.tell("change");
  told.tell("custom", 2);
  expect(heard).toEqual([["one", 1, "a"], ["other", 1, "a"], ["other"], ["other", 2]]);
});

test("who comes or goes while an event is told is of the next one", () => {
  const told = new Listeners();
  const heard: string[] = [];
  const late = () => heard.push("late");
  const last = () => heard.push("last");
  told.on("change", () => {
    told.on("change", late);
    told.off("change", last);
  });
  told.on("change", last);
  told.tell("change");
  told.tell("change");
  expect(heard).toEqual(["last", "late"]);
});
