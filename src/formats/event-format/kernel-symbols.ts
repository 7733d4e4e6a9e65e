import { encode } from "../trace/words.ts";
import { textOf } from "./byte-reader.ts";

/** No function of the kernel is so long: where symbols are so far apart, some are missing between them. */
const MAX_FUNCTION = 32_768;

/** Letters of symbols that are functions. */
const FUNCTIONS = "tTwW";

/** A symbol. */
interface KernelSymbol {
  readonly address: bigint;
  readonly name: string;
  readonly isFunction: boolean;
  /** Empty for the kernel itself. */
  readonly module: string;
}

const LINE = /^([0-9a-f]{8,16}) (\S) (\S{1,512})(?:[ \t]+\[([^\]]{1,64})\])?$/gm;

/**
 * Frames of call stacks from their addresses, by the kernel's list of symbols that the recording carries.
 *
 * The list was made when the recording ended. An address has a name only if the symbols before and behind it are of the
 * same module (or both of the kernel), and near: where a module is gone, or the list was cut, the address itself is what
 * is known. `trace-cmd report` prints the name of the nearest symbol there, which is wrong.
 */
export class KernelSymbols {
  readonly #text: Uint8Array;
  /** In the order of addresses; read when it is asked for. */
  #symbols: KernelSymbol[] | undefined;
  /** Texts of frames, by halves of their addresses. */
  readonly #frames = new Map<number, Map<number, Uint8Array>>();

  /** @param text of `/proc/kallsyms`; empty without one */
  constructor(text: Uint8Array) {
    this.#text = text;
  }

  /** The text of a frame: `nvme_remove (ffffffffc03c2af7)`, or `0xffffffffc03c2af7`. */
  frame(hi: number, lo: number): Uint8Array {
    let low = this.#frames.get(hi);
    if (low === undefined) {
      low = new Map();
      this.#frames.set(hi, low);
    }
    let frame = low.get(lo);
    if (frame === undefined) {
      frame = this.#read((BigInt(hi) << 32n) | BigInt(lo));
      low.set(lo, frame);
    }
    return frame;
  }

  #read(address: bigint): Uint8Array {
    const name = this.#nameOf(address);
    const digits = address.toString(16);
    return name === undefined
      ? encode(`0x${digits}`)
      : new TextEncoder().encode(`${name} (${digits.padStart(16, "0")})`);
  }

  #nameOf(address: bigint): string | undefined {
    this.#symbols ??= readSymbols(this.#text);
    const symbols = this.#symbols;
    let [low, high] = [0, symbols.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (symbols[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    const symbol = symbols[low - 1];
    const next = symbols[low];
    if (symbol === undefined || next === undefined || !symbol.isFunction) return undefined;
    const isNear = next.address - symbol.address <= MAX_FUNCTION;
    return isNear && symbol.module === next.module ? symbol.name : undefined;
  }
}

function readSymbols(text: Uint8Array): KernelSymbol[] {
  const symbols: KernelSymbol[] = [];
  for (const [, address, type, name, module = ""] of textOf(text).matchAll(LINE)) {
    symbols.push({
      address: BigInt(`0x${address}`),
      name: name!,
      isFunction: FUNCTIONS.includes(type!),
      module,
    });
  }
  return symbols.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
}
