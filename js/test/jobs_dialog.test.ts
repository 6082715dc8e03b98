// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { signal } from "../src/core/reactive";
import { jobsDialog } from "../src/workbench/dialogs";

const running = (id: string, done: number): object => ({
  id,
  name: `job ${id}`,
  text: `${done} of 9`,
  error: "",
  state: "running",
  done,
  total: 9,
});

test("a row of a job stays the element that it is, so that its button keeps the focus and hears clicks", () => {
  const jobs = signal<object[]>([running("1", 0)]);
  const stopped: string[] = [];
  const page = {
    until: new AbortController().signal,
    pending: signal(new Map()),
    layout: signal({ columns: [] }),
    connection: { jobs },
    attempt: (_: string, { job }: { job: string }) => stopped.push(job),
  };
  const { element, toggle } = jobsDialog(page as any);
  document.body.append(element);
  expect(element.querySelectorAll(".wp-job")).toHaveLength(0); // closed: nothing is made
  toggle();
  const stop = (): HTMLButtonElement => element.querySelector<HTMLButtonElement>('[role="listitem"] button')!;
  const button = stop();
  button.focus();
  jobs.value = [running("1", 1)];
  expect(stop()).toBe(button);
  expect(document.activeElement).toBe(button);
  expect(element.textContent).toContain("1 of 9");
  jobs.value = [running("2", 0), running("1", 2)];
  expect(element.querySelectorAll('[role="listitem"] button')[1]).toBe(button);
  expect(document.activeElement).toBe(button);
  button.click();
  expect(stopped).toEqual(["1"]);
  jobs.value = [];
  expect(element.textContent).toContain("Nothing runs.");
  toggle();
  jobs.value = [running("3", 0)];
  expect(element.textContent).toContain("Nothing runs."); // not while it is closed
  toggle();
  expect(element.textContent).toContain("job 3");
});
