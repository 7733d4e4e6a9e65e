import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import { toHexBytes } from "../../formats/op-script/fields.ts";
import type { Operation } from "../../formats/op-script/operation.ts";
import type { ScriptLine } from "../../formats/op-script/script.ts";
import type { OpResult } from "../../script/op/result.ts";
import { CELLS_BEYOND, POISON, rtasAnswer } from "../../script/op/rtas-block.ts";
import { Hcall } from "../../spapr/papr.ts";
import type { DmaTrace } from "./dma-trace.ts";
import { findTreeProperty } from "./flattened-tree.ts";
import { RESULT_ADDRESS, RecordKind, RTAS_ADDRESS, SCRIPT_ADDRESS, USER_MEMORY } from "./layout.ts";
import { memoryOf } from "./operation-memory.ts";
import { RecordList, words32, words64 } from "./records.ts";
import { type Decoder, nothing, ResultReader, scanResult, status } from "./results.ts";
import { type BridgeProperties, TestDevices } from "./test-devices.ts";

/** How to read the results of one operation. */
interface Step {
  /** Records that are done when this operation is. */
  readonly records: number;
  readonly decode: Decoder;
}

type OperationOf<Name extends Operation["op"]> = Extract<Operation, { op: Name }>;

/**
 * The operations of a script as records of the oracle's firmware, and the way
 * back from the words it leaves to results.
 */
export class FirmwareScript {
  readonly #list = new RecordList();
  readonly #devices: TestDevices;
  readonly #steps: Step[] = [];

  constructor(bridges: readonly BridgeProperties[]) {
    this.#devices = new TestDevices(this.#list, bridges);
  }

  /**
   * Compiles one more operation.
   *
   * @throws IommuError UNSUPPORTED, with the place, if it touches memory that the firmware
   * needs, or vfio-user devices; LIMIT_EXCEEDED if the script gets longer than its memory
   */
  add({ line, operation }: ScriptLine): void {
    for (const { key, start, length } of memoryOf(operation)) {
      if (length === 0n || (start >= USER_MEMORY.start && start + length <= USER_MEMORY.end)) continue;
      const range = `${hex(USER_MEMORY.start)} to ${hex(USER_MEMORY.end - 1n)}`;
      const error = line.error(
        key,
        `${length} bytes at ${hex(start)}: on real QEMU a script may use memory from ${range} only`,
      );
      throw new IommuError("UNSUPPORTED", error.message, error.details);
    }
    const decode = this.#compile(operation);
    if (decode === undefined) {
      const error = line.error("op", `"${operation.op}": real QEMU runs here without vfio-user devices`);
      throw new IommuError("UNSUPPORTED", error.message, error.details);
    }
    this.#steps.push({ records: this.records, decode });
    if (SCRIPT_ADDRESS + this.#list.byteLength > RESULT_ADDRESS) {
      const error = line.error(
        "op",
        "more operations than fit into one run on real QEMU (64 MiB of records)",
      );
      throw new IommuError("LIMIT_EXCEEDED", error.message, error.details);
    }
  }

  /** A record of any kind, such as one to wait for the driver. */
  record(kind: number, words: readonly (bigint | number)[], data?: Uint8Array): void {
    this.#list.add(kind, words, data);
  }

  /** Number of records, without the one that ends the script. */
  get records(): number {
    return this.#list.count;
  }

  /** The whole script, with the record that ends it. */
  bytes(): Uint8Array {
    return this.#list.bytes();
  }

  /** The results of the operations that are complete after `done` records. */
  decode(results: Uint8Array, done: bigint, trace: DmaTrace): OpResult[] {
    const reader = new ResultReader(results);
    const decoded: OpResult[] = [];
    for (const { records, decode } of this.#steps) {
      if (BigInt(records) > done) break;
      decoded.push(decode(reader, trace));
    }
    return decoded;
  }

  /** @returns undefined if the operation needs a device that the machine does not have */
  #compile(operation: Operation): Decoder | undefined {
    switch (operation.op) {
      case "note":
        return nothing;
      case "h_put_tce":
        this.#list.hcall(Hcall.PUT_TCE, [operation.liobn, operation.ioba, operation.tce]);
        return status;
      case "h_get_tce":
        return this.#getTce(operation);
      case "h_put_tce_indirect":
        if (operation.list !== undefined) this.#list.write(operation.listAddr, words64(operation.list));
        this.#list.hcall(Hcall.PUT_TCE_INDIRECT, [
          operation.liobn,
          operation.ioba,
          operation.listAddr,
          operation.npages,
        ]);
        return status;
      case "h_stuff_tce":
        this.#list.hcall(Hcall.STUFF_TCE, [operation.liobn, operation.ioba, operation.tce, operation.npages]);
        return status;
      case "get_tce_scan":
        this.record(RecordKind.SCAN, [operation.count, operation.step, operation.liobn, operation.ioba]);
        return scanResult;
      case "hcall":
        this.#list.hcall(operation.opcode, operation.args, operation.nout);
        return (results) => {
          const ret = results.status();
          if (operation.nout === 0) return { ret };
          return { ret, out: Array.from({ length: operation.nout }, () => hex(results.word())) };
        };
      case "rtas":
        return this.#rtas(operation);
      case "write_mem":
        this.#list.write(operation.addr, operation.data);
        return nothing;
      case "fill_mem":
        this.record(RecordKind.FILL, [operation.addr, operation.len, operation.value]);
        return nothing;
      case "read_mem":
        this.record(RecordKind.READ, [operation.addr, operation.len]);
        return (results) => ({ data: toHexBytes(results.bytes(operation.len)) });
      case "system_reset":
        this.record(RecordKind.REBOOT, []);
        this.#devices.reset();
        return nothing;
      case "fdt_prop":
        this.record(RecordKind.FDT, []);
        return (results) => {
          const tree = results.bytes(Number(results.word()));
          const value = findTreeProperty(tree, operation.path, operation.prop);
          return { value: value === null ? null : toHexBytes(value) };
        };
      case "bench":
        return this.#bench(operation);
      case "dma_read":
      case "dma_write":
        return this.#devices.transfer(operation);
      case "device_add":
      case "device_del":
      case "vfio_dma_read":
      case "vfio_dma_write":
        return undefined;
    }
  }

  #getTce({ liobn, ioba }: OperationOf<"h_get_tce">): Decoder {
    this.#list.hcall(Hcall.GET_TCE, [liobn, ioba], 1);
    return (results) => {
      const ret = results.status();
      const r4 = results.word();
      if (ret === 0) return { ret, tce: hex(r4) };
      // A call that fails leaves its argument in the register.
      return r4 === liobn ? { ret } : { ret, r4: hex(r4) };
    };
  }

  #rtas({ token, args, nargs, nret }: OperationOf<"rtas">): Decoder {
    const cells = Math.max(nargs, args.length) + nret + CELLS_BEYOND;
    const before = [...args, ...new Array<number>(cells - args.length).fill(POISON)];
    this.#list.write(RTAS_ADDRESS, words32([token, nargs, nret, ...before]));
    this.#list.hcall(Hcall.RTAS, [RTAS_ADDRESS]);
    const length = (nret + CELLS_BEYOND) * 4;
    this.record(RecordKind.READ, [RTAS_ADDRESS + BigInt(12 + 4 * nargs), length]);
    return (results) => {
      const hret = results.status();
      return rtasAnswer(hret, before.slice(nargs), results.bytes(length), nret);
    };
  }

  #bench({ opcode, args, count, step, wrap, step2 }: OperationOf<"bench">): Decoder {
    this.record(RecordKind.BENCH, [count, step, wrap, step2, opcode, ...args]);
    return (results) => {
      const ticks = Number(results.word());
      // The timebase runs at 512 MHz.
      return { ticks, seconds: ticks / 512e6, failed: Number(results.word()) };
    };
  }
}
