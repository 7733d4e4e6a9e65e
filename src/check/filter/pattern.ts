import { RE2JS, RE2JSException } from "re2js";

/** An expression of a user's that texts are searched with. */
export interface Pattern {
  test(text: string): boolean;
}

/**
 * Compiles a regular expression as RE2 has them. A search takes time by the lengths of expression and text, whatever they
 * are, so that nobody's expression can hold us up.
 *
 * @throws SyntaxError for one that is none, or that can be matched only by going back (`\1`, `(?=`)
 */
export function compilePattern(expression: string): Pattern {
  try {
    return RE2JS.compile(expression);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    throw new SyntaxError(error.message);
  }
}
