import { IommuError } from "../../base/errors.ts";

/**
 * The value of an option of QEMU's that has properties: `first,name=value,...`, or the same as JSON, which libvirt
 * writes. A comma in a value is written twice.
 */
export interface QemuProperties {
  /** As it stands, for messages. */
  readonly text: string;
  /** The part without a name: the model of a `-device`. Empty if there is none. */
  readonly first: string;
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Reads the value of an option.
 *
 * @param implied name that the first part has in JSON: `driver`, `qom-type`
 * @throws IommuError BAD_ARGUMENT for JSON that is none
 */
export function parseProperties(text: string, implied: string): QemuProperties {
  if (text.startsWith("{")) return fromJson(text, implied);
  const parts = text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(",,", ","));
  const first = parts[0]!.includes("=") ? undefined : parts.shift();
  const values = new Map(
    parts.map((part) => {
      const at = part.indexOf("=");
      return at < 0 ? [part, "on"] : [part.slice(0, at), part.slice(at + 1)];
    }),
  );
  return { text, first: first ?? values.get(implied) ?? "", values };
}

function fromJson(text: string, implied: string): QemuProperties {
  let object: unknown;
  try {
    object = JSON.parse(text);
  } catch (cause) {
    throw new IommuError("BAD_ARGUMENT", `"${text}" is no JSON: ${(cause as Error).message}`);
  }
  const values = new Map(
    Object.entries(object as object).map(([name, value]) => [
      name,
      typeof value === "boolean" ? (value ? "on" : "off") : String(value),
    ]),
  );
  return { text, first: values.get(implied) ?? "", values };
}

/** Is a switch on? `undefined` if it is not given. */
export function switchOf({ text, values }: QemuProperties, name: string): boolean | undefined {
  const value = values.get(name);
  if (value === undefined) return undefined;
  if (/^(on|true|yes|y)$/.test(value)) return true;
  if (/^(off|false|no|n)$/.test(value)) return false;
  throw new IommuError("BAD_ARGUMENT", `"${text}": ${name}=${value} is neither on nor off`);
}

/** A number, decimal or hexadecimal, with K, M, G, T, and then maybe a fraction, if it is a size; `undefined` if it is not given. */
export function numberOf({ text, values }: QemuProperties, name: string): bigint | undefined {
  const value = values.get(name);
  if (value === undefined) return undefined;
  const match = /^(0x[0-9a-fA-F]{1,16}|\d{1,20})(\.\d{1,9}(?=[kmgtKMGT]))?([kmgtKMGT]?)[bB]?$/.exec(value);
  if (match === null) throw new IommuError("BAD_ARGUMENT", `"${text}": ${name}=${value} is no number`);
  const [, whole, fraction, unit] = match;
  const shift = BigInt(10 * ["", "k", "m", "g", "t"].indexOf(unit!.toLowerCase()));
  const part = fraction === undefined ? 0 : Math.trunc(Number(fraction) * 2 ** Number(shift));
  return (BigInt(whole!) << shift) + BigInt(part);
}
