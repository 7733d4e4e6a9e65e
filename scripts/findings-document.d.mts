/** What docs/findings.md says. */
export function findingsDocument(): Promise<string>;
