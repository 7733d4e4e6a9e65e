import {
  Composer,
  type CST,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
} from "yaml";
import { IommuError } from "../base/errors.ts";
import { formatCount } from "../base/units.ts";
import type { Located, LocatedMember } from "../formats/located.ts";

/** Longer files, deeper or with more values are no person's. A machine of 10,000 devices has 50,000 values. */
const MAX_TEXT = 2 ** 20;
const MAX_TOKENS = 400_000;
const MAX_DEPTH = 30;
/** Values, each counted again for every alias of it. */
const MAX_VALUES = 100_000;

/**
 * Reads a YAML 1.2 document, of which JSON is a part: plain values, lists and objects. Aliases count as what they stand
 * for; tags are refused.
 *
 * @throws IommuError BAD_FILE with line and column; LIMIT_EXCEEDED for one that is too large or too deep
 */
export function parseYaml(text: string, name: string): Located {
  if (text.length > MAX_TEXT)
    throw limit(name, `${formatCount(text.length)} characters: the most is ${formatCount(MAX_TEXT)}`);
  const lines = new LineCounter();
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const tokens = tokensOf(text, lines, place);
  const composer = new Composer({
    version: "1.2",
    schema: "core",
    intAsBigInt: true,
    // Looked for below: the package compares each name with all others.
    uniqueKeys: false,
    prettyErrors: false,
  });
  const [document, second] = [...composer.compose(tokens, true, text.length)];
  const problem = document?.errors[0] ?? document?.warnings[0];
  if (problem !== undefined) throw bad(place(problem.pos[0]), problem.message);
  if (second !== undefined) throw bad(place(second.range[0]), "a second document: a file has one");
  return new Reader(place).read(document?.contents ?? null, 0);
}

/** The tokens of a text, read until they are too many or too deep: what is made of them takes more memory. */
function tokensOf(text: string, lines: LineCounter, place: (offset: number) => string): CST.Token[] {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  const tokens: CST.Token[] = [];
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      if (token.type === "directive") throw bad(place(token.offset), "lines that begin with % are not read");
      if (token.type === "document" && tokens.some(({ type }) => type === "document"))
        throw bad(place(token.offset), "a second document: a file has one");
      tokens.push(token);
    }
    // The document and the value that is read are on the stack, too.
    if (parser.stack.length > MAX_DEPTH + 2)
      throw limit(place(parser.offset), `more than ${MAX_DEPTH} values in one another`);
    if (++count > MAX_TOKENS)
      throw limit(place(parser.offset), `more than ${formatCount(MAX_TOKENS)} words and signs`);
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}

const bad = (place: string, message: string): IommuError =>
  new IommuError("BAD_FILE", `${place}: ${message}`, { place });
const limit = (place: string, message: string): IommuError =>
  new IommuError("LIMIT_EXCEEDED", `${place}: ${message}`, { place });

/** Makes values with places of nodes. */
class Reader {
  readonly #place: (offset: number) => string;
  /** What an alias stands for: the last node before it with its name. */
  readonly #anchors = new Map<string, Node>();
  #values = 0;

  constructor(place: (offset: number) => string) {
    this.#place = place;
  }

  read(node: Node | null, depth: number, otherwise = 0): Located {
    const offset = node?.range?.[0] ?? otherwise;
    const place = this.#place(offset);
    if (++this.#values > MAX_VALUES)
      throw limit(place, `more than ${formatCount(MAX_VALUES)} values, with those that aliases stand for`);
    if (depth > MAX_DEPTH) throw limit(place, `more than ${MAX_DEPTH} values in one another`);
    if (node === null) return { value: null, place };
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target === undefined) throw bad(place, `there is no anchor "${node.source}" before this alias`);
      return this.read(target, depth + 1);
    }
    if (node.tag !== undefined) throw bad(place, `tags such as ${node.tag} are not read`);
    const { anchor } = node as { anchor?: string };
    if (anchor !== undefined) this.#anchors.set(anchor, node);
    if (isScalar(node)) return { value: node.value as Located["value"], place };
    if (isSeq(node))
      return { value: node.items.map((item) => this.read(item as Node, depth + 1, offset)), place };
    if (!isMap(node)) throw bad(place, "neither a value nor a list nor an object");
    const members = new Map<string, LocatedMember>();
    for (const { key, value } of node.items) {
      const keyOffset = (key as Node | null)?.range?.[0] ?? offset;
      const namePlace = this.#place(keyOffset);
      if (!isScalar(key) || (key.value !== null && typeof key.value === "object"))
        throw bad(namePlace, "the name of a member must be a plain text");
      const name = String(key.value);
      if (members.has(name)) throw bad(namePlace, `"${name.slice(0, 60)}" is here a second time`);
      members.set(name, { ...this.read(value as Node | null, depth + 1, keyOffset), namePlace });
    }
    return { value: members, place };
  }
}
