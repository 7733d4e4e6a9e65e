import type { ErrorDetails, IommuErrorCode } from "../../base/errors.ts";
import type { FoundWords } from "../lines/found-lines.ts";
import type { Note } from "../lines/line-matcher.ts";
import type { Packing } from "./packing.ts";

/** What a thread that unpacks is given when it begins. */
export interface UnpackTask {
  readonly packing: Packing;
  /** Of the input, for messages. */
  readonly name: string;
}

/** What is said to it. */
export type ToUnpacker =
  /** What comes next of the packed bytes. */
  | { readonly kind: "packed"; readonly bytes: Uint8Array }
  /** There is nothing more of them, as they end or as their source failed. */
  | { readonly kind: "end" | "failed" }
  /** A piece was looked at, and its buffers may be used again; and what the matcher of its reader did, if it has one. */
  | {
      readonly kind: "looked-at";
      readonly buffer: ArrayBuffer;
      readonly words: ArrayBuffer | undefined;
      readonly notes: readonly Note[];
    };

/** What it says. */
export type FromUnpacker =
  /** It is there. */
  | { readonly kind: "ready" }
  /** It takes one more piece of the packed bytes. */
  | { readonly kind: "more" }
  /** The beginning of a buffer is what comes next, and which lines were found in it, once its reader's matcher is followed. */
  | {
      readonly kind: "piece";
      readonly buffer: ArrayBuffer;
      readonly length: number;
      readonly found: FoundWords | undefined;
    }
  | { readonly kind: "end" }
  | { readonly kind: "error"; readonly error: SentError };

/** An error on its way between threads, where it would lose its class. */
export type SentError =
  | {
      readonly kind: "iommu";
      readonly code: IommuErrorCode;
      readonly message: string;
      readonly details: ErrorDetails;
      readonly cause: SentError | undefined;
    }
  /** The one that the source of the packed bytes threw. */
  | { readonly kind: "source" }
  /** Any other one, and its values, which are lost on the way. */
  | {
      readonly kind: "other";
      readonly error: unknown;
      readonly values: Readonly<Record<string, string | number>>;
    };
