/** The table of tokens as CSV. */
import { csvLine } from "../core/export/files";
import type { Answer } from "./answers/answer";

export const csv = ({ tokens }: Answer): string =>
  csvLine(["id", "token", "unsteered", "steered", "unsteered_rank", "steered_rank"]) +
  tokens.map(({ id, text, p0, p, rank0, rank }) => csvLine([id, text, p0, p, rank0, rank])).join("");
