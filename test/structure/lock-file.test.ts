import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** An installed package as the lock file has it; `""` is ours. */
interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly libc?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
  readonly bin?: unknown;
  readonly link?: boolean;
  readonly engines?: unknown;
}

const read = (file: string) => JSON.parse(readFileSync(path.join(ROOT, file), "utf8"));
const { packages } = read("package-lock.json") as { packages: Readonly<Record<string, Locked>> };
const manifest = read("package.json");

/** Where Node looks for a package from inside of another one: the nearest folder `node_modules` that has it. */
function placeOf(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("node_modules/") - 1))) {
    const place = `${folder}${folder === "" ? "" : "/"}node_modules/${name}`;
    if (place in packages) return place;
    if (folder === "") return undefined;
  }
}

/** Comes from the registry: not this package, nor a workspace of it (which has a link among the packages). */
const isFetched = (place: string): boolean =>
  place.startsWith("node_modules/") && packages[place]!.link !== true;

// npm ci refuses a lock file that lacks any of this, and npm install writes it anew.
describe("the lock file", () => {
  it("is of the packages that package.json asks for, with the same versions", () => {
    const { name, version, license, dependencies, devDependencies, engines } = manifest;
    expect(packages[""]).toMatchObject({ name, version, license, dependencies, devDependencies, engines });
    for (const [name, wanted] of Object.entries({ ...dependencies, ...devDependencies }))
      expect(packages[`node_modules/${name}`]?.version, name).toBe(wanted);
  });

  it("has all that any package names, also what other platforms need", () => {
    const missing = Object.entries(packages).flatMap(([from, locked]) => {
      const { dependencies, optionalDependencies, peerDependencies = {}, peerDependenciesMeta = {} } = locked;
      const peers = Object.keys(peerDependencies).filter(
        (name) => peerDependenciesMeta[name]?.optional !== true,
      );
      const names = [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers];
      return names.filter((name) => placeOf(name, from) === undefined).map((name) => `${name} of ${from}`);
    });
    expect(missing).toEqual([]);
    const optional = Object.values(packages).filter((locked) => locked.optional === true);
    expect(optional.length).toBeGreaterThan(50);
  });

  it("says of each what is in it", () => {
    const vague = Object.entries(packages).filter(
      ([place, { version, integrity }]) => isFetched(place) && !(version && integrity?.startsWith("sha512-")),
    );
    expect(vague.map(([place]) => place)).toEqual([]);
  });

  it("has nothing that npm 10 takes out and npm 11 puts in", () => {
    const platforms = Object.entries(packages).filter(([, { libc }]) => libc !== undefined);
    expect(platforms.map(([place]) => place)).toEqual([]);
  });
});
