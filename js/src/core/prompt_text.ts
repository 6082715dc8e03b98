/** What stands between the tokens of a prompt: a tokenizer of words leaves the spaces between them out. */
export const between = (tokens: readonly string[]): "" | " " =>
  tokens.slice(1).some((token) => token.startsWith(" ")) ? "" : " ";

/** The prompt as text. */
export const promptText = (tokens: readonly string[]): string => tokens.join(between(tokens));
