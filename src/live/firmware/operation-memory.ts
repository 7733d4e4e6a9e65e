import type { Operation } from "../../formats/op-script/operation.ts";

/** Memory that an operation names itself: it must not be the firmware's. */
export function memoryOf(operation: Operation): { key: string; start: bigint; length: bigint }[] {
  switch (operation.op) {
    case "write_mem":
      return [{ key: "addr", start: operation.addr, length: BigInt(operation.data.length) }];
    case "fill_mem":
    case "read_mem":
      return [{ key: "addr", start: operation.addr, length: BigInt(operation.len) }];
    case "h_put_tce_indirect":
      if (operation.list === undefined) return [];
      return [{ key: "listAddr", start: operation.listAddr, length: BigInt(operation.list.length * 8) }];
    default:
      return [];
  }
}
