import { expect } from "vitest";

/**
 * `expect(actual, where()).toBe(expected)` for loops of thousands: an assertion of Vitest takes longer than what is
 * tested there, so that it is asked only where the values differ.
 */
export function same<Value>(actual: Value, expected: Value, where?: () => string): void {
  if (!Object.is(actual, expected)) expect(actual, where?.()).toBe(expected);
}

/** `expect(actual).toEqual(expected)` for many bytes, which Vitest compares one by one. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) expect(actual).toEqual(expected);
}
