import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { DEFINITIONS } from '../../src/cli/definitions.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const QUERIES = DEFINITIONS.filter(({ kind, name }) => kind === 'query' && existsSync(schemaFile(name))).map(({ name }) => name);
const CHANGES = DEFINITIONS.filter(({ kind }) => kind === 'change').map(({ name }) => name);
const schemas = new Map<string, z.ZodType>();

/** A document of `schema/`, as the package ships it. */
export function schemaOf(name: string): z.ZodType {
  const known = schemas.get(name) ?? z.fromJSONSchema(JSON.parse(readFileSync(schemaFile(name), 'utf8')) as Parameters<typeof z.fromJSONSchema>[0]);
  schemas.set(name, known);
  return known;
}

/**
 * What one command line printed on stdout with `--json`, held against the schemas that the package ships: exactly one document of a query and
 * of a dry run, one event in each line of a change and a result in the last. Empty: as promised. Of a program that a signal `cut` short the
 * last line may be missing or be a part of one.
 */
export function complaintsAbout(args: readonly string[], stdout: string, cut: boolean): readonly string[] {
  const options = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  if (!options.includes('--json') || options.some((word) => ['--help', '-?', '--version', '-V'].includes(word))) return [];
  const lines = stdout.split('\n');
  const last = lines.pop() ?? '';
  if (last !== '' && !cut) return [`stdout does not end with a line end: ${last}`];
  const name = QUERIES.find((query) => options.includes(query));
  const isDry = options.some((word) => word === '--dry-run' || /^-[qvy]*n[qvy]*$/.test(word));
  // What is no command at all fails like a query.
  const schema = name ?? (isChange(options) ? (isDry ? 'dry-run' : 'run-event') : 'status');
  if (schema !== 'run-event' && (lines.length > 1 || (lines.length === 0 && !cut))) return [`${lines.length} documents, not one`];
  const complaints = lines.flatMap((line) => complaintOf(schema, line));
  if (schema === 'run-event' && !cut && !/^\{"format":1,"event":"result",/.test(lines.at(-1) ?? '')) complaints.push(`the last line is no result: ${lines.at(-1) ?? '(none)'}`);
  if (lines.slice(0, -1).some((line) => line.includes('"event":"result"'))) complaints.push('a result that is not the last line');
  return complaints;
}

function schemaFile(name: string): string {
  return join(ROOT, 'schema', `${name}.schema.json`);
}

function isChange(options: readonly string[]): boolean {
  return CHANGES.some((command) => options.includes(command));
}

function complaintOf(schema: string, line: string): string[] {
  try {
    const checked = schemaOf(schema).safeParse(JSON.parse(line));
    return checked.success ? [] : [`against schema/${schema}.schema.json: ${checked.error.message}\n${line}`];
  } catch (error) {
    return [`no JSON (${error instanceof Error ? error.message : String(error)}): ${line}`];
  }
}
