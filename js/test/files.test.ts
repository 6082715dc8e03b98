import { expect, test } from "vitest";
import { csvLine, fileName, xml } from "../src/core/export/files";

test("CSV quotes what would break it", () => {
  expect(csvLine([5, 1, ' say "hi",', "\n", 0.25])).toBe('5,1," say ""hi"",","\n",0.25\r\n');
});

test("no text is a formula in a spreadsheet, and numbers stay numbers", () => {
  expect(csvLine(["=1+1", "+a", "-b", "@c", "\tx", "\rx"])).toBe(`"'=1+1","'+a","'-b","'@c","'\tx","'\rx"\r\n`);
  expect(csvLine([-1.5, "-1.5e-7", "+3", "", "-Infinity"])).toBe("-1.5,-1.5e-7,+3,,-Infinity\r\n");
  expect(csvLine(["=", "+", "-", "@", "\t", "-1", "-.5", "+2.", "-inf"])).toBe("=,+,-,@,\t,-1,-.5,+2.,-inf\r\n");
  expect(csvLine(["--", "- 1", "-1 ", "-1-1", "+0x10", "-1\n"])).toBe(
    `"'--","'- 1","'-1 ","'-1-1","'+0x10","'-1\n"\r\n`,
  );
});

test("text cannot become markup in SVG, nor make it invalid", () => {
  expect(xml("<img src=x onerror='a'>&")).not.toMatch(/[<>'"]|&(?!#\d+;)/);
  expect(xml("a\u0000\ud800b👩")).toBe("a\ufffd\ufffdb👩");
});

test("names of files", () => {
  expect(fileName("Attention, SmolLM2-135M, 14 tokens Layer 5, head 1")).toBe(
    "attention-smollm2-135m-14-tokens-layer-5-head-1",
  );
});
