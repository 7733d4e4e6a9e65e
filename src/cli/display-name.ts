/** How a file is named in messages and reports. */
export const displayName = (path: string): string => (path === "-" ? "stdin" : path);
