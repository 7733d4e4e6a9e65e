import { readFileSync } from "node:fs";

/** A fenced block of a document. */
export interface Block {
  readonly language: string;
  readonly text: string;
  /** Line of its first line, from 1. */
  readonly line: number;
}

/** The fenced blocks of a document of the project. */
export function blocksOf(document: string): Block[] {
  const lines = readDocument(document).split("\n");
  const blocks: Block[] = [];
  for (let i = 0; i < lines.length; i++) {
    const language = /^```(\w*)$/.exec(lines[i]!)?.[1];
    if (language === undefined) continue;
    const end = lines.indexOf("```", i + 1);
    blocks.push({ language, text: lines.slice(i + 1, end).join("\n"), line: i + 2 });
    i = end;
  }
  return blocks;
}

export const readDocument = (document: string): string =>
  readFileSync(new URL(`../../docs/${document}`, import.meta.url), "utf8");
