import type { ErrorDetails, IommuErrorCode } from "../../base/errors.ts";
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
  /** A buffer was looked at, and may be used again. */
  | { readonly kind: "buffer"; readonly buffer: ArrayBuffer };

/** What it says. */
export type FromUnpacker =
  /** It is there. */
  | { readonly kind: "ready" }
  /** It takes one more piece of the packed bytes. */
  | { readonly kind: "more" }
  /** The beginning of a buffer is what comes next. */
  | { readonly kind: "piece"; readonly buffer: ArrayBuffer; readonly length: number }
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
