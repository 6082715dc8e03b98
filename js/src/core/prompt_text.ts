import { piecesOf } from "./tokens";

/** What stands between the tokens of a prompt: a tokenizer of words leaves the spaces between them out. */
export const between = (tokens: readonly string[]): "" | " " =>
  tokens.slice(1).some((token) => token.startsWith(" ")) ? "" : " ";

/** The prompt as text. */
export const promptText = (tokens: readonly string[]): string => tokens.join(between(tokens));

/** Tokens as the text that they were: bytes as the characters that they make together, unseen characters as themselves. */
export function plainText(tokens: readonly string[], space = between(tokens)): string {
  const pieces = piecesOf(tokens);
  const written = tokens.map((token, at) => {
    const piece = pieces[at];
    if (piece) return piece.part === 1 ? piece.whole : "";
    return token.replace(/<U\+([0-9A-F]{4,6})>/g, (name, hex: string) => {
      const code = parseInt(hex, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : name;
    });
  });
  return written.join(space);
}
