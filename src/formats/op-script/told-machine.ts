import { hex } from "../../base/u64.ts";
import { formatSize } from "../../base/units.ts";
import { Machine } from "../../spapr/machine.ts";
import type { MachineConfig } from "../../spapr/machine-config.ts";
import type { PhbConfig } from "../../spapr/phb.ts";
import { recordedProfile } from "../../spapr/profile.ts";
import type { VioConfig } from "../../spapr/vio.ts";
import { JsonLine } from "../json-lines.ts";
import { parseHeader } from "./header.ts";

/**
 * A machine that somebody describes beside a script.
 *
 * @public
 */
export interface ToldMachine {
  readonly ramBytes: number;
  readonly bridges: readonly PhbConfig[];
  readonly vioDevices: readonly VioConfig[];
  /** Version of QEMU; undefined if nobody says. */
  readonly qemuVersion: string | undefined;
  /** Where the description says something, for messages: its file's name, or more. */
  placeOf(...path: readonly (string | number)[]): string;
}

const BRIDGE_VALUES = ["ddw", "pgsz", "dmaWinAddr", "dmaWinSize", "dma64WinAddr"] as const;

/**
 * A script's lines with a header that says the machine that somebody describes. The script's own header may be
 * missing; what it says must agree.
 *
 * @throws IommuError BAD_FILE for a contradiction, with both values and both places
 */
export function withToldMachine(lines: readonly JsonLine[], file: string, told: ToldMachine): JsonLine[] {
  const [first, ...rest] = lines;
  const hasHeader = first?.value.header !== undefined;
  const own = hasHeader ? first : undefined;
  if (own !== undefined) compare(own, told);
  const { bridges, vioDevices, qemuVersion } = told;
  const header = {
    header: 1,
    ...(qemuVersion === undefined ? {} : { qemu: qemuVersion }),
    ...own?.value,
    ramSize: hex(BigInt(told.ramBytes)),
    phbs: bridges.map((bridge) => ({ ...bridge, ...hexValues(bridge) })),
    vio: vioDevices.map(vioText),
  };
  const line = new JsonLine(file, own?.number ?? 1, JSON.stringify(header));
  return [line, ...(hasHeader ? rest : lines)];
}

const vioText = ({ type, reg }: VioConfig): string => (reg === undefined ? type : `${type},reg=${hex(reg)}`);

const hexValues = (bridge: PhbConfig): Record<string, string> =>
  Object.fromEntries(
    Object.entries(bridge).flatMap(([name, value]) =>
      typeof value === "bigint" ? [[name, hex(value)]] : [],
    ),
  );

/** What a header says of the machine must be what the description says. */
function compare(header: JsonLine, told: ToldMachine): void {
  const config = parseHeader(header);
  const { value } = header;
  const differ = (member: string, ours: string, theirs: string, place: string): Error =>
    header.error(member, `the script's header says ${ours}, but ${place} says ${theirs}`);
  if (value.qemu !== undefined && told.qemuVersion !== undefined && value.qemu !== told.qemuVersion)
    throw differ("qemu", `QEMU ${String(value.qemu)}`, told.qemuVersion, told.placeOf("qemu"));
  const ram = BigInt(told.ramBytes);
  if (value.ramSize !== undefined && config.ramSize !== ram)
    throw differ("ramSize", `ramSize ${formatSize(config.ramSize!)}`, formatSize(ram), told.placeOf("ram"));
  if (value.phbs !== undefined) compareBridges(config, told, differ);
  if (value.vio !== undefined) {
    const [ours, theirs] = [config.vio ?? [], told.vioDevices].map(
      (list) => list.map(vioText).join(" ") || "none",
    );
    if (ours !== theirs) throw differ("vio", `VIO devices ${ours}`, theirs!, told.placeOf("vio"));
  }
}

function compareBridges(
  { phbs = [] }: MachineConfig,
  told: ToldMachine,
  differ: (member: string, ours: string, theirs: string, place: string) => Error,
): void {
  const indexes = (bridges: readonly PhbConfig[]): string =>
    bridges
      .map(({ index }) => index)
      .sort((a, b) => a - b)
      .join(", ");
  const [ours, theirs] = [indexes(phbs), indexes(told.bridges)];
  if (ours !== theirs) throw differ("phbs", `bridges ${ours}`, `bridges ${theirs}`, told.placeOf("bridges"));
  // With all defaults, as far as they depend on the version of QEMU.
  const profile = recordedProfile(told.qemuVersion);
  const bridgesOf = (list: readonly PhbConfig[]) => new Machine({ phbs: list, profile }).phbs;
  const toldBridges = bridgesOf(told.bridges);
  for (const bridge of bridgesOf(phbs)) {
    const said = phbs.find(({ index }) => index === bridge.index)!;
    const at = told.bridges.findIndex(({ index }) => index === bridge.index);
    const other = toldBridges.find(({ index }) => index === bridge.index)!;
    for (const name of BRIDGE_VALUES) {
      if (said[name] === undefined || bridge[name] === other[name]) continue;
      const show = (value: bigint | boolean): string =>
        typeof value === "bigint" ? hex(value) : String(value);
      throw differ(
        "phbs",
        `${name} ${show(bridge[name])} of bridge ${bridge.index}`,
        show(other[name]),
        told.placeOf("bridges", at, name),
      );
    }
  }
}
