/**
 * A recording of the host kernel, as read from its file.
 *
 * @module
 */

import type { Arguments } from "./operations.ts";

/** A range of the recorded process's memory. */
export interface Arena {
  readonly base: bigint;
  readonly size: bigint;
  /** Could it be mapped? Huge pages are there with one kind of MMU only. */
  readonly present: boolean;
}

/** Names of the arenas: private, shared, read-only, and huge pages of 16 MiB. */
export const ARENA_NAMES = ["anon", "shm", "ro", "huge"] as const;
export type ArenaName = (typeof ARENA_NAMES)[number];

/** The first line: what was recorded where. */
export interface KernelHeader {
  /** Release of the kernel. */
  readonly kernel: string;
  /** Host page size: 4096 or 65536. */
  readonly pageSize: number;
  readonly arenas: Readonly<Record<ArenaName, Arena>>;
  /** Part of `anon` that is not mapped. */
  readonly hole: { readonly base: bigint; readonly size: bigint };
  /** PCI addresses; the number of one is the number of its group. */
  readonly devices: readonly string[];
  /** The default window's size, the page sizes and the most levels, as GET_INFO of a fresh container reports them. */
  readonly dma32WindowSize: bigint;
  readonly pageSizes: bigint;
  readonly levels: number;
}

/** What an operation answered, in the form and the order of the file. */
export interface Outcome {
  /** What the system call returned. */
  readonly ret: number;
  /** The error's name if that is -1. */
  readonly errno?: string;
  readonly out?: Readonly<Record<string, string>>;
  /** Locked memory of the process in KiB. */
  readonly lck?: number;
}

/** One operation. */
export interface KernelLine {
  /** Line number in the file, from 1. */
  readonly line: number;
  /** Number of the operation, from 1. */
  readonly n: number;
  readonly op: string;
  readonly args: Arguments;
  /** What was recorded; absent in a script that has not run yet. */
  readonly expected?: Outcome;
}

/** A whole recording. */
export interface KernelScript {
  /** Where it came from, for messages. */
  readonly name: string;
  readonly header: KernelHeader;
  /** The header as it was read, to write it again. */
  readonly headerText: string;
  readonly lines: readonly KernelLine[];
}
