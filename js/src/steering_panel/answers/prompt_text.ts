/** The prompt as text; a tokenizer of words leaves the spaces between them out. */
export const promptText = (tokens: readonly string[]): string =>
  tokens.join(tokens.slice(1).some((token) => token.startsWith(" ")) ? "" : " ");
