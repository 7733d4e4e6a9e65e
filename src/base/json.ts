/** A value as JSON; 64-bit numbers as hexadecimal strings. */
export const toJson = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "bigint" ? `0x${item.toString(16)}` : item,
  );
