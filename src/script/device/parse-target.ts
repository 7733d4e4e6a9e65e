import { IommuError } from "../../base/errors.ts";
import type { FuzzRegister, FuzzTarget } from "./fuzz-target.ts";

/** Offsets of registers; more would be no BAR of 32 bits. */
const MAX_OFFSET = 2 ** 31;
const MAX_LENGTH = 2 ** 20;
const SIZES: readonly number[] = [1, 2, 4, 8];
type Json = Readonly<Record<string, unknown>>;

/**
 * Reads the description of a device's DMA registers: JSON in the shape of {@link FuzzTarget}, numbers also as `"0x10"`.
 *
 * @param file for messages
 * @throws IommuError BAD_FILE that names the member
 * @public
 */
export function parseFuzzTarget(content: string, file: string): FuzzTarget {
  const reader = new TargetReader(file);
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (cause) {
    throw new IommuError("BAD_FILE", `${file}: no JSON: ${(cause as Error).message}`, { file }, { cause });
  }
  const all = reader.object(value, "the description", ["region", "address", "length", "command", "kicks"]);
  const length = reader.object(all.length, "length", ["offset", "bytes", "max"]);
  const command = reader.object(all.command, "command", ["offset", "bytes", "values"]);
  return {
    region: reader.whole(all.region ?? 0, "region", 0, 5),
    address: reader.register(reader.object(all.address, "address", ["offset", "bytes"]), "address"),
    length: {
      ...reader.register(length, "length"),
      max: reader.whole(length.max, "length.max", 1, MAX_LENGTH),
    },
    command: {
      ...reader.register(command, "command"),
      values: reader.list(command.values, "command.values").map((item, i) => {
        const what = `command.values[${i}]`;
        const { value, needs } = reader.object(item, what, ["value", "needs"]);
        return {
          value: reader.whole(value, `${what}.value`, 0, 2 ** 32 - 1),
          needs: reader.whole(needs, `${what}.needs`, 1, 3) as 1 | 2 | 3,
        };
      }),
    },
    kicks: reader.list(all.kicks ?? [], "kicks", 0).map((item, i) => {
      const kick = reader.object(item, `kicks[${i}]`, ["offset", "bytes", "value"]);
      return {
        ...reader.register(kick, `kicks[${i}]`),
        value: reader.whole(kick.value, `kicks[${i}].value`, 0, 2 ** 32 - 1),
      };
    }),
  };
}

class TargetReader {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  object(value: unknown, what: string, members: readonly string[]): Json {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw this.#wrong(what, value, "an object");
    const unknown = Object.keys(value).find((name) => !members.includes(name));
    if (unknown !== undefined) {
      throw new IommuError(
        "BAD_FILE",
        `${this.#file}: unknown member "${unknown}" of ${what}: there are ${members.join(", ")}`,
      );
    }
    return value as Json;
  }

  list(value: unknown, what: string, least = 1): readonly unknown[] {
    if (Array.isArray(value) && value.length >= least) return value;
    throw this.#wrong(what, value, "a list");
  }

  whole(value: unknown, what: string, min: number, max: number): number {
    const number = typeof value === "string" && /^0x[0-9a-fA-F]{1,12}$/.test(value) ? Number(value) : value;
    if (typeof number === "number" && Number.isInteger(number) && number >= min && number <= max)
      return number;
    throw this.#wrong(what, value, `a whole number from ${min} to ${max}`);
  }

  register(value: Json, what: string): FuzzRegister {
    const bytes = this.whole(value.bytes, `${what}.bytes`, 1, 8);
    if (!SIZES.includes(bytes)) throw this.#wrong(`${what}.bytes`, bytes, "1, 2, 4 or 8");
    return {
      offset: this.whole(value.offset, `${what}.offset`, 0, MAX_OFFSET),
      bytes: bytes as FuzzRegister["bytes"],
    };
  }

  #wrong(what: string, value: unknown, expected: string): IommuError {
    const shown = (JSON.stringify(value) ?? "nothing").slice(0, 60);
    return new IommuError("BAD_FILE", `${this.#file}: ${what} is ${shown}: expected ${expected}`, {
      file: this.#file,
    });
  }
}
