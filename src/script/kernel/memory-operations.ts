import type { Answer } from "../../base/errno.ts";
import { IommuError } from "../../base/errors.ts";
import { hex } from "../../base/u64.ts";
import { USER_END } from "../../vfio/host/host-memory.ts";
import type { HostProcess } from "../../vfio/host/host-process.ts";
import type { OperationCall, Operations } from "./operation.ts";

/** Bytes that one `fill` may touch. */
const MAX_FILL: bigint = 1n << 30n;
/** Bytes of a peek or poke. */
const WORD = 8;

/** Operations on the process: its memory and its limits. */
export const MEMORY_OPERATIONS: Operations = {
  nop: () => 0,
  rlimit: ({ program, arg }) => {
    program.process.lockLimit = arg("bytes");
    return 0;
  },
  cap_ipc_lock: ({ program, arg }) => {
    program.process.mayLockAll = arg("on") !== 0n;
    return 0;
  },
  mmap: ({ program, arg }) => program.process.memory.mmap(arg("vaddr"), arg("size"), arg("prot")),
  munmap: ({ program, arg }) => program.process.memory.munmap(arg("vaddr"), arg("size")),
  mprotect: ({ program, arg }) => program.process.memory.mprotect(arg("vaddr"), arg("size"), arg("prot")),
  peek: ({ program, arg, out }) => {
    const bytes = new Uint8Array(WORD);
    const answer = readWord(program.process, arg("vaddr"), bytes);
    if (answer === 0) out.val = hex(new DataView(bytes.buffer).getBigUint64(0, true));
    return answer;
  },
  poke: ({ program, arg }) => {
    const bytes = new Uint8Array(WORD);
    const answer = readWord(program.process, arg("vaddr"), bytes);
    if (answer !== 0) return answer;
    new DataView(bytes.buffer).setBigUint64(0, arg("val"), true);
    // The recorder itself would die of a store to read-only memory.
    return program.process.memory.write(Number(arg("vaddr")), bytes) === WORD ? 0 : "EFAULT";
  },
  fill: ({ program, arg }) => fill(program.process, arg),
};

/** Reads 8 bytes through /proc/self/mem: EIO at a hole, and no error if a hole cuts them. */
function readWord(process: HostProcess, vaddr: bigint, bytes: Uint8Array): Answer<number> {
  if (vaddr >> 63n !== 0n) return "EINVAL";
  if (vaddr >= BigInt(USER_END)) return "EIO";
  const read = process.memory.read(Number(vaddr), bytes);
  if (read === WORD) return 0;
  return read === 0 ? "EIO" : -1;
}

/** Every 8 bytes hold their own address. Where the recorder would die, it is EFAULT here. */
function fill(process: HostProcess, arg: OperationCall["arg"]): Answer<number> {
  const vaddr = arg("vaddr");
  const size = arg("size");
  if (size > MAX_FILL) {
    throw new IommuError("LIMIT_EXCEEDED", `fill of ${size} bytes: at most ${MAX_FILL}`, { size });
  }
  if (((vaddr | size) & 7n) !== 0n || vaddr + size > BigInt(USER_END)) return "EFAULT";
  return process.memory.fillWithAddresses(Number(vaddr), Number(size)) === Number(size) ? 0 : "EFAULT";
}
