import { IommuError } from "../../base/errors.ts";
import { sumOfAgreements } from "../../check/saved/against-check.ts";
import { checkAgainst } from "../../check/whole/check-against.ts";
import type { Agreement } from "../protocol.ts";
import type { Reading } from "./open-recording.ts";

/**
 * Compares a trace with a saved machine of the same run, at the moment at which they agree best.
 *
 * @throws IommuError as {@link checkAgainst} does
 */
export async function againstOf(trace: Reading, saved: Reading): Promise<Agreement> {
  const { recording } = trace;
  if (recording === undefined) throw new IommuError("BAD_ARGUMENT", "nothing of this file was read yet");
  const report = await checkAgainst(trace.data, saved.data, { name: trace.name, savedName: saved.name });
  const { before, windows } = report.against;
  const { agreed, confirmed, empty, differing, contradicted } = sumOfAgreements(windows);
  const known = new Set(trace.findings.map(({ message }) => message));
  return {
    event: (before?.event ?? recording.rows.length) - 1,
    same: agreed + confirmed + empty,
    different: differing + contradicted,
    findings: report.findings.map(({ message }) => message).filter((message) => !known.has(message)),
  };
}
