/** A value as JSON, with large numbers as text. */
export const stringifyBig = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "bigint" ? `0x${item.toString(16)}` : item,
  );
