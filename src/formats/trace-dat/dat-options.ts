import { type ByteReader, textOf } from "../event-format/byte-reader.ts";
import type { CycleScale } from "../event-format/raw-clock.ts";

/** Numbers of options, as trace-cmd.dat.v6(5) and v7(5) have them. */
export const OPTION_END = 0;
const DATE = 1;
const CPU_STATISTICS = 2;
export const BUFFER = 3;
const TRACE_CLOCK = 4;
const OFFSET = 7;
const CPU_COUNT = 8;
const CYCLES = 14;

/** A name of one line, and the data of a CPU or of an option. */
const MAX_OPTION = 2 ** 20;
const MAX_CPUS = 65_536;

/** Where the data of a CPU stands. */
export interface CpuData {
  readonly cpu: number;
  readonly offset: number;
  readonly size: number;
}

/** A buffer of the tracer. */
export interface DatBuffer {
  /** Empty: the top one. */
  readonly name: string;
  /** Empty where the buffer does not say. */
  readonly clock: string;
  readonly pageSize: number;
  readonly cpus: readonly CpuData[];
  readonly isCompressed: boolean;
}

/** What the options say of the whole recording. */
export class DatOptions {
  /** Nanoseconds to add to each time. */
  shift = 0n;
  /** The clock in brackets of the kernel's list, empty if there is none. */
  clock = "";
  scale: CycleScale | undefined;
  /** CPUs of the machine; 0 if no option says. */
  cpus = 0;
  /** Events that were overwritten before they were read, by trace-cmd's statistics: of the top buffer and of others. */
  readonly overruns: Map<string, number> = new Map();
  #buffer = "";

  /** Are there trace-cmd's statistics? It writes them when it has recorded, and `split`, which can leave CPUs out, does not. */
  get hasStatistics(): boolean {
    return this.overruns.size > 0;
  }

  /** Takes an option that is no place in the file. */
  take(id: number, reader: ByteReader, data: Uint8Array): void {
    if (id === DATE) this.shift += (bigOf(textOf(data)) ?? 0n) * 1000n;
    else if (id === OFFSET) this.shift += bigOf(textOf(data)) ?? 0n;
    else if (id === TRACE_CLOCK) this.clock = /\[([^\]]+)\]/.exec(textOf(data))?.[1] ?? "";
    else if (id === CPU_STATISTICS) this.#takeStatistics(textOf(data));
    else if (id === CPU_COUNT && data.length >= 4) this.cpus = viewOf(data).getUint32(0, reader.littleEndian);
    else if (id === CYCLES && data.length >= 16) {
      const view = viewOf(data);
      this.scale = {
        multiplier: view.getUint32(0, reader.littleEndian),
        shift: view.getUint32(4, reader.littleEndian) & 63,
      };
    }
  }

  /** Those of an instance stand behind one that has its name. */
  #takeStatistics(text: string): void {
    const name = /^\s*Buffer: (.*)$/m.exec(text)?.[1];
    if (name !== undefined) this.#buffer = name.trim();
    const overrun = /^overrun: (\d{1,15})$/m.exec(text)?.[1];
    if (overrun !== undefined)
      this.overruns.set(this.#buffer, (this.overruns.get(this.#buffer) ?? 0) + Number(overrun));
  }
}

const viewOf = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.length);

/** @returns undefined if the text is no number */
function bigOf(text: string): bigint | undefined {
  const digits = /^\s*(-?)(0x[0-9a-f]{1,16}|\d{1,20})/i.exec(text);
  if (digits === null) return undefined;
  return digits[1] === "-" ? -BigInt(digits[2]!) : BigInt(digits[2]!);
}

/** Number, size and data of an option; the data is lent. */
export async function readOption(
  reader: ByteReader,
): Promise<{ readonly id: number; readonly data: Uint8Array }> {
  const id = await reader.u16();
  const size = reader.limited(await reader.u32(), MAX_OPTION, "an option");
  return { id, data: (await reader.bytes(size)).slice() };
}

/** Reads a number of CPUs. */
export async function readCpuCount(reader: ByteReader): Promise<number> {
  const count = await reader.u32();
  if (count > MAX_CPUS) throw reader.bad(`${count} CPUs, more than Linux has numbers for`);
  return count;
}
