import { hiOf, loOf } from "../../base/u64.ts";
import { toHexBytes } from "../../formats/op-script/fields.ts";
import type { Operation } from "../../formats/op-script/operation.ts";
import type { ScriptLine } from "../../formats/op-script/script.ts";
import { POISON } from "../../script/op/rtas-block.ts";
import { buidOf, Hcall, pciLiobn } from "../../spapr/papr.ts";
import type { PhbConfig } from "../../spapr/phb.ts";
import { showTranslation, wasRefused } from "./dma-trace.ts";
import { RecordKind, RTAS_ADDRESS } from "./layout.ts";
import { type RecordList, words32 } from "./records.ts";
import type { Decoder } from "./results.ts";

/** RTAS token of ibm,write-pci-config. */
const WRITE_PCI_CONFIG = 0x2017;
/** BAR 0 of the test device, in the 32-bit window of its bridge's MMIO space. */
const EDU_BAR = 0x8000_0000;

/** A bridge of the machine, with all its properties. */
export type BridgeProperties = Required<PhbConfig>;

type Transfer = Extract<Operation, { op: "dma_read" | "dma_write" }>;

/** The test devices of a script, one on a bridge, which do its DMA on real QEMU. */
export class TestDevices {
  readonly #list: RecordList;
  readonly #bridges: readonly BridgeProperties[];
  /** Bridges whose test device has been set up since the last reset. */
  readonly #ready = new Set<number>();
  #transfers = 0;

  constructor(list: RecordList, bridges: readonly BridgeProperties[]) {
    this.#list = list;
    this.#bridges = bridges;
  }

  /** The machine was reset, and all devices with it. */
  reset(): void {
    this.#ready.clear();
  }

  /** A DMA read or write of a test device, which is set up first where that is not done yet. */
  transfer(operation: Transfer): Decoder {
    const { phb: index, iova } = operation;
    const write = operation.op === "dma_write";
    const data = write ? operation.data : new Uint8Array(0);
    const length = write ? data.length : operation.len;
    const bridge = this.#bridges.find((phb) => phb.index === index)!;
    const starts = [bridge.dmaWinAddr, bridge.dma64WinAddr];
    const setUpCalls = this.#setUpDevice(index);
    const number = this.#transfers++;
    const mmio = (1n << 45n) + BigInt(index + 1) * BigInt(EDU_BAR);
    const liobns = [pciLiobn(index, 0), pciLiobn(index, 1)];
    this.#list.add(RecordKind.DMA, [Number(write), mmio, iova, length, number, ...liobns, ...starts], data);
    return (results, trace) => {
      for (let i = 0; i < setUpCalls; i++) results.expectZero("the set-up of the test device");
      const staged = results.word() === 1n;
      results.expectZero("the test device's transfer");
      const read = write ? undefined : results.bytes(length);
      if (write && !staged) return { skipped: true };
      const translations = trace.translations(number);
      const fault = wasRefused(translations, starts, iova, length, write ? 2 : 1);
      const xlate = translations.map(showTranslation);
      return read === undefined ? { fault, xlate } : { fault, data: staged ? toHexBytes(read) : null, xlate };
    };
  }

  /** Gives the test device its BAR and makes it a bus master, once after each reset; returns the calls made. */
  #setUpDevice(index: number): number {
    if (this.#ready.has(index)) return 0;
    this.#ready.add(index);
    const buid = buidOf(index);
    const unit = [hiOf(buid), loOf(buid)];
    const configure = (register: number, size: number, value: number): void => {
      const args = [(8 << 8) | register, ...unit, size, value];
      this.#list.write(RTAS_ADDRESS, words32([WRITE_PCI_CONFIG, args.length, 1, ...args, POISON]));
      this.#list.hcall(Hcall.RTAS, [RTAS_ADDRESS]);
    };
    configure(0x10, 4, EDU_BAR);
    // Memory decoding and bus master.
    configure(0x04, 2, 0x6);
    return 2;
  }
}

/** Bridges that need a test device. */
export function devicesOf(lines: readonly ScriptLine[]): number[] {
  const bridges = lines.flatMap(({ operation }) =>
    operation.op === "dma_read" || operation.op === "dma_write" ? [operation.phb] : [],
  );
  return [...new Set(bridges)];
}
