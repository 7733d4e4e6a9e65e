import { hex } from "../../src/base/u64.ts";
import { type OpScript, parseOpScript } from "../../src/formats/op-script/script.ts";
import { Random } from "../helpers/random.ts";

const REG = 0x7100_0003;
export const VIO_LIOBN: string = hex(REG);
/** Pages of the window that are used: few, so that they are used again. */
const PAGES = 24;

/**
 * A random script of a VIO device, whose table `quiesce` and resets clear without a line in the trace. At its end the guest
 * reads all that it may have used, twice: what it read before it found an entry empty may be gone since.
 *
 * @param operations before that
 */
export function vioScript(seed: number, operations: number, bypass: boolean): OpScript {
  const random = new Random(seed);
  const liobn = VIO_LIOBN;
  const page = (): string => hex(random.below(PAGES) << 12);
  const tce = (): string => hex(((1 + random.below(0x4000)) << 12) | random.pick([1, 2, 3]));
  const rtas = (name: string, args: number[]): object => ({ op: "rtas", name, args, nret: 1 });
  const actions: [number, () => object][] = [
    [40, () => ({ op: "h_put_tce", liobn, ioba: page(), tce: tce() })],
    [15, () => ({ op: "h_put_tce", liobn, ioba: page(), tce: "0x0" })],
    [30, () => ({ op: "h_get_tce", liobn, ioba: page() })],
    [5, () => ({ op: "h_stuff_tce", liobn, ioba: page(), tce: tce(), npages: hex(1 + random.below(6)) })],
    [6, () => rtas("quiesce", [])],
    [1, () => ({ op: "system_reset" })],
  ];
  const lines: object[] = [{ header: 1, phbs: [{ index: 0 }], vio: [`spapr-vlan,reg=${liobn}`] }];
  for (let i = 0; i < operations; i++) lines.push(random.weighted(actions)());
  // A reset would end it.
  if (bypass) lines.splice(1 + (operations >> 1), operations, rtas("ibm,set-tce-bypass", [REG, 1]));
  const scan = { op: "get_tce_scan", liobn, ioba: "0x0", step: "0x1000", count: PAGES + 8 };
  lines.push(scan, scan);
  return parseOpScript(lines.map((line) => JSON.stringify(line)).join("\n"), `VIO seed ${seed}`);
}
