import { IommuError } from "../../base/errors.ts";
import { hex, hiOf, loOf, toBig } from "../../base/u64.ts";
import { toHexBytes } from "../../formats/op-script/fields.ts";
import type { Operation } from "../../formats/op-script/operation.ts";
import type { OpScript } from "../../formats/op-script/script.ts";
import { encodeProperty } from "../../spapr/device-tree.ts";
import { Machine } from "../../spapr/machine.ts";
import type { MachineConfig } from "../../spapr/machine-config.ts";
import { Hcall } from "../../spapr/papr.ts";
import { HcallRegisters } from "../../spapr/registers.ts";
import { DmaBench } from "./dma-bench.ts";
import type { OpResult } from "./result.ts";
import { CELLS_BEYOND, POISON, rtasAnswer } from "./rtas-block.ts";
import { VfioUserBench } from "./vfio-user-bench.ts";

/** Stretches of one get_tce_scan: so many changes of what it reads. */
const MAX_SCAN_RUNS: number = 2 ** 18;
/** Where the recording firmware puts the argument block of an RTAS call. */
const RTAS_ADDRESS = 0x9000n;

/** High halves of the registers of H_GET_TCE. */
const R4 = 2;
const R5 = 4;

/**
 * Carries out the operations of a script on one machine, as the recording firmware does.
 *
 * @public
 */
export class OpRunner {
  readonly machine: Machine;
  readonly #registers = new HcallRegisters();
  readonly #dma: DmaBench;
  readonly #vfioUser: VfioUserBench;
  readonly #showMessages: boolean;

  /**
   * @param machine or what one is to be made of
   * @param vfioUser results have the DMA messages that vfio-user devices were sent
   */
  constructor(machine: Machine | MachineConfig, vfioUser = false) {
    this.machine = machine instanceof Machine ? machine : new Machine(machine);
    this.#dma = new DmaBench(this.machine);
    this.#vfioUser = new VfioUserBench(this.machine);
    this.#showMessages = vfioUser;
  }

  /** @throws IommuError LIMIT_EXCEEDED if the result would be too long */
  run(operation: Operation): OpResult {
    const result = this.#run(operation);
    return this.#showMessages ? { ...result, vfioUser: this.#vfioUser.takeMessages(operation) } : result;
  }

  #run(operation: Operation): OpResult {
    switch (operation.op) {
      case "h_put_tce":
        return { ret: this.#hcall(Hcall.PUT_TCE, operation.liobn, operation.ioba, operation.tce) };
      case "h_get_tce": {
        const ret = this.#hcall(Hcall.GET_TCE, operation.liobn, operation.ioba);
        return ret === 0 ? { ret, tce: hex(this.#registers.get(4)) } : { ret };
      }
      case "h_put_tce_indirect":
        return this.#putIndirect(operation);
      case "h_stuff_tce": {
        const { liobn, ioba, tce, npages } = operation;
        return { ret: this.#hcall(Hcall.STUFF_TCE, liobn, ioba, tce, npages) };
      }
      case "get_tce_scan":
        return this.#scan(operation.liobn, operation.ioba, operation.step, operation.count);
      case "hcall": {
        const ret = this.#hcall(operation.opcode, ...operation.args);
        if (operation.nout === 0) return { ret };
        return {
          ret,
          out: Array.from({ length: operation.nout }, (_, i) => hex(this.#registers.get(4 + i))),
        };
      }
      case "rtas":
        return this.#rtas(operation.token, operation.args, operation.nargs, operation.nret);
      case "write_mem":
        this.#write(operation.addr, operation.data);
        return {};
      case "fill_mem":
        this.#write(
          operation.addr,
          cells64(Array.from({ length: operation.len >>> 3 }, () => operation.value)),
        );
        return {};
      case "read_mem":
        return { data: toHexBytes(this.#read(operation.addr, operation.len)) };
      case "system_reset":
        this.machine.reset();
        this.#dma.reset();
        return {};
      case "fdt_prop": {
        const value = this.machine.deviceTree.get(operation.path)?.[operation.prop];
        return { value: value === undefined ? null : toHexBytes(encodeProperty(value)) };
      }
      case "dma_read":
        return this.#dma.read(operation.phb, operation.iova, operation.len);
      case "dma_write":
        return this.#dma.write(operation.phb, operation.iova, operation.data);
      case "bench":
        return this.#bench(operation);
      case "device_add":
        return this.#vfioUser.add(operation);
      case "device_del":
        return this.#vfioUser.remove(operation.id);
      case "vfio_dma_read":
        return this.#vfioUser.read(operation.dev, operation.iova, operation.len);
      case "vfio_dma_write":
        return this.#vfioUser.write(operation.dev, operation.iova, operation.data);
      case "note":
        return {};
    }
  }

  #hcall(opcode: number | bigint, ...args: bigint[]): number {
    this.#registers.load(BigInt(opcode), args);
    return this.machine.hcall(this.#registers.words);
  }

  #putIndirect(operation: Extract<Operation, { op: "h_put_tce_indirect" }>): OpResult {
    const { liobn, ioba, listAddr, list, npages } = operation;
    if (list !== undefined) this.#write(listAddr, cells64(list));
    return { ret: this.#hcall(Hcall.PUT_TCE_INDIRECT, liobn, ioba, listAddr, npages) };
  }

  /**
   * Each change of the answer: `[index, ret, tce]`, or `[index, ret]` of a failure.
   *
   * @throws IommuError LIMIT_EXCEEDED if it changes too often
   */
  #scan(liobn: bigint, ioba: bigint, step: bigint, count: number): OpResult {
    const runs: (number | string)[][] = [];
    const { words } = this.#registers;
    this.#registers.load(BigInt(Hcall.GET_TCE), [liobn, ioba]);
    const call = words.slice();
    const [stepHi, stepLo] = [hiOf(step), loOf(step)];
    let last = Number.NaN;
    let lastHi = 0;
    let lastLo = 0;
    for (let i = 0; i < count; i++) {
      words.set(call);
      const ret = this.machine.hcall(words);
      const hi = ret === 0 ? words[R4]! : 0;
      const lo = ret === 0 ? words[R4 + 1]! : 0;
      if (ret !== last || hi !== lastHi || lo !== lastLo) {
        if (runs.length >= MAX_SCAN_RUNS) {
          const limit = MAX_SCAN_RUNS;
          throw new IommuError("LIMIT_EXCEEDED", `the scan finds more than ${limit} stretches`, { limit });
        }
        runs.push(ret === 0 ? [i, ret, hex(toBig(hi, lo))] : [i, ret]);
        last = ret;
        lastHi = hi;
        lastLo = lo;
      }
      // The next address, of 64 bits: what is beyond them is cut off by the array.
      const next = call[R5 + 1]! + stepLo;
      call[R5 + 1] = next;
      call[R5] = call[R5]! + stepHi + (next >= 2 ** 32 ? 1 : 0);
    }
    return { runs };
  }

  #rtas(token: number, args: readonly number[], nargs: number, nret: number): OpResult {
    const cells = 3 + Math.max(nargs, args.length) + nret + CELLS_BEYOND;
    const before = new Array<number>(cells).fill(POISON);
    [token, nargs, nret, ...args].forEach((cell, i) => {
      before[i] = cell;
    });
    this.#write(RTAS_ADDRESS, cells32(before));
    const hret = this.#hcall(Hcall.RTAS, RTAS_ADDRESS);
    const length = nret + CELLS_BEYOND;
    const after = this.#read(RTAS_ADDRESS + BigInt(12 + 4 * nargs), length * 4);
    return rtasAnswer(hret, before.slice(3 + nargs), after, nret);
  }

  /** Repeats a call with a moving second argument (and third); times are not measured, failures are counted. */
  #bench(operation: Extract<Operation, { op: "bench" }>): OpResult {
    const { opcode, args, count, step, wrap, step2 } = operation;
    let failed = 0;
    let offset = 0n;
    const now = [...args];
    for (let i = 0; i < count; i++) {
      if (args.length > 1) now[1] = args[1]! + offset;
      if (args.length > 2) now[2] = args[2]! + step2 * BigInt(i);
      if (this.#hcall(opcode, ...now.map((value) => BigInt.asUintN(64, value))) !== 0) failed++;
      offset += step;
      if (offset >= wrap) offset = 0n;
    }
    return { failed };
  }

  #write(address: bigint, bytes: Uint8Array): void {
    this.machine.systemMemory.write(address, bytes, null);
  }

  #read(address: bigint, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    this.machine.systemMemory.read(address, bytes, null);
    return bytes;
  }
}

/**
 * Runs a whole script on a fresh machine; one result for each line.
 *
 * @public
 */
export function runOpScript(script: OpScript, config: Partial<MachineConfig> = {}): OpResult[] {
  const runner = new OpRunner({ ...script.config, ...config }, script.vfioUser);
  return script.lines.map(({ operation }) => runner.run(operation));
}

function cells32(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setUint32(i * 4, value);
  });
  return bytes;
}

const cells64 = (values: readonly bigint[]): Uint8Array =>
  cells32(values.flatMap((value) => [hiOf(value), loOf(value)]));
