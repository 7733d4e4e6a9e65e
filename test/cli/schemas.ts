import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { expect } from "vitest";
import { HEAD_BYTES, isKernelScriptHead } from "../../src/check/whole/input-kind.ts";
import { isDmaDump } from "../../src/formats/dma-dump/dma-dump.ts";
import { cli } from "./cli.ts";

const FOLDER = path.resolve(import.meta.dirname, "../../schema");
const ENDING = ".schema.json";

/** Is it a file that `check` takes: no snapshot, and no script of calls to a host's kernel? */
export function isCheckable(file: string): boolean {
  const head = readFileSync(file).subarray(0, HEAD_BYTES);
  return /\.(?:txt|log|jsonl)(?:\.gz)?$/.test(file) && !isDmaDump(head) && !isKernelScriptHead(head);
}

interface Schema {
  readonly $id: string;
  readonly [name: string]: unknown;
}

const read = (file: string): Schema => JSON.parse(readFileSync(path.join(FOLDER, file), "utf8"));
export const SCHEMAS: ReadonlyMap<string, Schema> = new Map(
  readdirSync(FOLDER).map((file) => [file.slice(0, -ENDING.length), read(file)]),
);

const ajv = new Ajv2020({ strict: true, strictRequired: false, allErrors: true });
for (const schema of SCHEMAS.values()) ajv.addSchema(schema);

/** Names of members that were seen in the answers of a verb. */
const seen = new Map<string, Set<string>>();

/** What a call of the command line answers is as the schema of its verb says: the JSON value, and each row. */
export async function followsSchema(args: readonly string[]): Promise<void> {
  const status = await jsonFollowsSchema(args);
  const lines = await cli([...args, "--output", "jsonl"]);
  const csv = await cli([...args, "--output", "csv"]);
  expect([lines.status, csv.status]).toEqual([status, status]);
  const columns = csv.stdout.split("\n", 1)[0]!.split(",");
  const rows = lines.stdout.split("\n").slice(0, -1);
  const names = new Set(rows.flatMap((line) => Object.keys(rowFollows(args[0]!, line))));
  expect([...names].filter((name) => !columns.includes(name))).toEqual([]);
}

/** The JSON value alone. Returns the exit status. */
export async function jsonFollowsSchema(args: readonly string[]): Promise<number> {
  const { status, stdout, stderr } = await cli([...args, "--output", "json"]);
  expect(stderr).not.toMatch(/^spapr-iommu: /);
  answers(args[0]!, stdout);
  return status;
}

/** A JSON value of a verb is as its schema says. */
export function answers(verb: string, text: string): void {
  valid(verb, ajv.getSchema(SCHEMAS.get(verb)!.$id)!, text);
}

/** A row of a verb is as its schema says. */
export const rowFollows = (verb: string, line: string): object =>
  valid(verb, ajv.getSchema(`${SCHEMAS.get(verb)!.$id}#/$defs/row`)!, line);

function valid(verb: string, validate: ValidateFunction, text: string): object {
  const value = JSON.parse(text) as object;
  // There may be thousands of rows.
  if (!validate(value)) expect.fail(ajv.errorsText(validate.errors));
  collect(value, membersOf(verb));
  return value;
}

const membersOf = (verb: string): Set<string> => {
  if (!seen.has(verb)) seen.set(verb, new Set());
  return seen.get(verb)!;
};

function collect(value: unknown, names: Set<string>): void {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) for (const name of Object.keys(value)) names.add(name);
  for (const item of Object.values(value)) collect(item, names);
}

/** Names that the schema of a verb has of its own (or `common` has), and that no answer so far had. */
export function unseen(name: string): string[] {
  const named = new Set<string>();
  const visit = (schema: unknown): void => {
    if (typeof schema !== "object" || schema === null) return;
    const { properties, ...rest } = schema as Readonly<Record<string, unknown>>;
    for (const [member, property] of Object.entries(properties ?? {})) {
      named.add(member);
      visit(property);
    }
    for (const part of Object.values(rest)) visit(part);
  };
  visit(SCHEMAS.get(name));
  const there =
    name === "common" ? new Set([...seen.values()].flatMap((names) => [...names])) : membersOf(name);
  return [...named].filter((member) => !there.has(member)).sort();
}
