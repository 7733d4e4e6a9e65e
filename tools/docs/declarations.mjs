/**
 * The public API as the compiled declarations have it: what each entry point of package.json exports.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

const ROOT = path.resolve(import.meta.dirname, "../..");
const DIST = path.join(ROOT, "dist") + path.sep;

/** Entry points that are modules, by name: `spapr-iommu/check` and its declarations. */
export function entryPoints() {
  const { name, exports } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
  return Object.entries(exports)
    .filter(([, target]) => typeof target === "object")
    .map(([key, { types }]) => ({ name: name + key.slice(1), file: path.join(ROOT, types) }));
}

const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed });

/** The statement around a declaration: of a constant that is the list it stands in. */
const statementOf = (node) => (ts.isVariableDeclaration(node) ? node.parent.parent : node);

/** Tags and text of the comment of a declaration. */
function commentOf(symbol, checker) {
  const tags = symbol.getJsDocTags(checker).map((tag) => tag.name);
  return { text: ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim(), tags };
}

/** Is a member what only the class itself, or the package, sees? */
const isHidden = (member) =>
  (member.name !== undefined && ts.isPrivateIdentifier(member.name)) ||
  (ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private) !== 0;

/** A declaration without its hidden members; a class of which only the type is exported has no constructor. */
function visible(node, typeOnly) {
  if (!ts.isClassDeclaration(node)) return node;
  const members = node.members.filter(
    (member) => !isHidden(member) && !(typeOnly && ts.isConstructorDeclaration(member)),
  );
  return ts.factory.updateClassDeclaration(
    node,
    node.modifiers,
    node.name,
    node.typeParameters,
    node.heritageClauses,
    members,
  );
}

/** Names of types in a declaration that are ours, with the declarations that they lead to. */
function namedTypes(node, checker) {
  const found = new Map();
  const visit = (child) => {
    if (ts.isClassElement(child) && isHidden(child)) return;
    const name = ts.isTypeReferenceNode(child)
      ? child.typeName
      : ts.isExpressionWithTypeArguments(child)
        ? child.expression
        : ts.isTypeQueryNode(child)
          ? child.exprName
          : undefined;
    if (name !== undefined) {
      let symbol = checker.getSymbolAtLocation(name);
      if (symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias)
        symbol = checker.getAliasedSymbol(symbol);
      const declared = symbol?.declarations?.[0];
      if (declared?.getSourceFile().fileName.startsWith(DIST) && !ts.isTypeParameterDeclaration(declared))
        found.set(symbol, name.getText());
    }
    ts.forEachChild(child, visit);
  };
  visit(node);
  return found;
}

/**
 * @returns the entry points, each with its exports in alphabetical order: name, kind, text of the declaration, comment;
 * and names of types that signatures have and no entry point exports
 */
export function publicApi() {
  const entries = entryPoints();
  const program = ts.createProgram(
    entries.map(({ file }) => file),
    {
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ES2023,
      lib: ["lib.es2023.d.ts", "lib.webworker.d.ts"],
      types: [],
    },
  );
  const checker = program.getTypeChecker();
  const exported = new Set();
  const named = new Map();
  const modules = entries.map(({ name, file }) => {
    const source = program.getSourceFile(file);
    const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(source));
    const items = symbols.map((symbol) => {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      exported.add(target);
      const typeOnly =
        symbol.declarations[0].isTypeOnly || symbol.declarations[0].parent?.parent?.isTypeOnly || false;
      const declarations = target.declarations.filter((node) =>
        node.getSourceFile().fileName.startsWith(DIST),
      );
      for (const node of declarations)
        for (const [type, text] of namedTypes(visible(node, typeOnly), checker))
          named.set(type, `${text} (in ${symbol.name})`);
      const text = declarations
        .map((node) => {
          const shown = visible(statementOf(node), typeOnly);
          return printer.printNode(ts.EmitHint.Unspecified, shown, node.getSourceFile());
        })
        .join("\n")
        .replace(/^export (?:declare )?/gm, "");
      return {
        name: symbol.name,
        typeOnly,
        text,
        comment: commentOf(target, checker),
      };
    });
    items.sort((a, b) => (a.name < b.name ? -1 : 1));
    return { name, items };
  });
  const forgotten = [...named].filter(([symbol]) => !exported.has(symbol)).map(([, text]) => text);
  return { modules, forgotten: forgotten.sort() };
}
