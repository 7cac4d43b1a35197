import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';

/** A code of an error, a reason or a finding, where the source gives it. */
export interface CodeAt {
  readonly code: string;
  /** `src/cli/router.ts:12` */
  readonly at: string;
}

export interface CodesOfFile {
  readonly codes: readonly CodeAt[];
  /** Codes that are no literal: the expression and its place. */
  readonly computed: readonly { readonly expression: string; readonly at: string }[];
}

/** Beside which properties `code` or `id` is one of an error, a reason or a finding. */
const BESIDE_CODE = ['message', 'says', 'hint', 'reason'];
const BESIDE_ID = ['level', 'says'];

/**
 * Every code that a file gives: the second argument of PgreplError, the first of usageError, what is passed to a function of the same file
 * whose parameter is called `code` or `id`, and the property of an object that looks like a reason or a finding.
 */
export function codesOf(root: string, file: string): CodesOfFile {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const takes = functionsThatTakeACode(source);
  const codes: CodeAt[] = [];
  const computed: { expression: string; at: string }[] = [];
  const add = (expression: ts.Node): void => {
    const at = `${file}:${source.getLineAndCharacterOfPosition(expression.getStart()).line + 1}`;
    const literals = literalsOf(expression);
    if (literals === null) computed.push({ expression: expression.getText(), at });
    else codes.push(...literals.map((code) => ({ code, at })));
  };
  const walk = (node: ts.Node): void => {
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const callee = ts.isPropertyAccessExpression(node.expression) ? node.expression.name.getText() : node.expression.getText();
      const given = node.arguments?.[takes.get(callee) ?? Infinity];
      if (given !== undefined) add(given);
    }
    if (ts.isObjectLiteralExpression(node)) {
      for (const [name, beside] of [['code', BESIDE_CODE], ['id', BESIDE_ID]] as const) {
        const found = property(node, name);
        if (found !== undefined && beside.some((other) => property(node, other) !== undefined)) add(ts.isPropertyAssignment(found) ? found.initializer : (found.name ?? found));
      }
    }
    ts.forEachChild(node, walk);
  };
  walk(source);
  return { codes, computed };
}

/** The members of a union of literals by the name of its type. */
export function membersOf(root: string, file: string, type: string): readonly string[] {
  const source = ts.createSourceFile(basename(file), readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const alias = source.statements.find((statement): statement is ts.TypeAliasDeclaration => ts.isTypeAliasDeclaration(statement) && statement.name.text === type);
  if (alias === undefined || !ts.isUnionTypeNode(alias.type)) throw new Error(`${file} has no union ${type}`);
  return alias.type.types.flatMap((member) => (ts.isLiteralTypeNode(member) && ts.isStringLiteral(member.literal) ? [member.literal.text] : []));
}

/** Names of functions by the index of their parameter `code` or `id`. */
function functionsThatTakeACode(source: ts.SourceFile): ReadonlyMap<string, number> {
  const found = new Map([['usageError', 0], ['PgreplError', 1]]);
  const walk = (node: ts.Node): void => {
    if (ts.isFunctionDeclaration(node) || ts.isArrowFunction(node) || ts.isMethodDeclaration(node)) {
      const index = node.parameters.findIndex(({ name, type }) => ['code', 'id'].includes(name.getText()) && (type?.getText() ?? '').includes('string'));
      const name = ts.isArrowFunction(node) ? (ts.isVariableDeclaration(node.parent) ? node.parent.name.getText() : null) : (node.name?.getText() ?? null);
      if (index >= 0 && name !== null) found.set(name, index);
    }
    ts.forEachChild(node, walk);
  };
  walk(source);
  return found;
}

function property(object: ts.ObjectLiteralExpression, name: string): ts.ObjectLiteralElementLike | undefined {
  return object.properties.find((one) => one.name?.getText() === name);
}

function literalsOf(expression: ts.Node): readonly string[] | null {
  if (ts.isStringLiteral(expression) || ts.isNoSubstitutionTemplateLiteral(expression)) return [expression.text];
  if (ts.isParenthesizedExpression(expression)) return literalsOf(expression.expression);
  if (!ts.isConditionalExpression(expression)) return null;
  const sides = [literalsOf(expression.whenTrue), literalsOf(expression.whenFalse)];
  return sides.includes(null) ? null : sides.flatMap((side) => side ?? []);
}
