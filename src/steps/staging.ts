import { PgreplError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { WRITE_PREFIX } from '../host/scripts.ts';
import { readMarkerIn } from './marker.ts';

/**
 * Lies beside a directory that is being made, and proves whose it is: a leftover with this marker may be gone on with, or
 * removed, by whoever runs the command again; anything without it is foreign and never touched.
 */
export interface StagingMarker {
  readonly format: 1;
  readonly node: string;
  readonly cluster: string;
  readonly run: string;
  /** What made it. */
  readonly command: 'init-primary' | 'add-standby' | 'rejoin';
  /** The final place. */
  readonly pgdata: string;
  readonly slot: string | null;
  readonly upstream: string | null;
  /** System identifier that is copied; `null` while a new one is made. */
  readonly systemIdentifier: string | null;
  /** Directories outside that this run fills and may empty again: tablespaces, WAL. They were missing or empty before. */
  readonly also: readonly string[];
  /** Where the directory goes that is at the final place until then. */
  readonly aside?: string | undefined;
}

/** Mode of a data directory that no server starts from (postmaster checkDataDir wants 0700 or 0750), while every tool works in it. */
export const LOCKED_MODE = 0o701;

/** Where a directory is made, and where it goes. Everything a step needs to know to find it, before and after it was published. */
export interface Staging {
  /** Holds the marker, the flags and `data`. Beside the target, or inside it where the parent cannot be used. */
  readonly holder: string;
  readonly pgdata: string;
  /** Another data directory is at that place, and is moved aside when its successor is complete: only then is what is there the new one. */
  readonly replaces?: true;
}

/** Set once the directory that was at the place before is aside. */
export const REPLACED = 'replaced';

/** The holder beside the data directory. */
export function besideHolder(pgdata: string): string {
  return `${pgdata}.pgrepl-staging`;
}

/** The holder inside the data directory: for mount points, and where the owner may not write the parent. */
export function insideHolder(pgdata: string): string {
  return `${pgdata}/.pgrepl-staging`;
}

export function stagedData(staging: Staging): string {
  return `${staging.holder}/data`;
}

/** True when the marker says the same in everything but the run that wrote it. */
export function sameMarker(a: StagingMarker, b: StagingMarker): boolean {
  return JSON.stringify({ ...a, run: '' }) === JSON.stringify({ ...b, run: '' });
}

/** The marker in this holder; `null` when there is none or it is unreadable as one. Reads only. */
export async function readMarker(host: Host, holder: string): Promise<StagingMarker | null> {
  return await readMarkerIn(host, holder, isMarker);
}

function isMarker(value: unknown): value is StagingMarker {
  if (typeof value !== 'object' || value === null) return false;
  const marker = value as Partial<Record<keyof StagingMarker, unknown>>;
  return marker.format === 1 && typeof marker.node === 'string' && typeof marker.pgdata === 'string' && Array.isArray(marker.also);
}

/** Set before the first entry of a mount point is moved: from then on the move is gone on with, whatever was cut off. */
export const MOVING = 'moving';

/** True once the directory has its final name: nothing is left in the staging but the marker. */
export async function isPublished(host: Host, staging: Staging): Promise<boolean> {
  if ((await host.stat(stagedData(staging))) !== null) return false;
  if (staging.replaces === true && !(await hasFlag(host, staging, REPLACED))) return false;
  return (await host.stat(`${staging.pgdata}/PG_VERSION`)) !== null;
}

/** Where the directory is at this moment. */
export async function currentDirectory(host: Host, staging: Staging): Promise<string> {
  return (await isPublished(host, staging)) ? staging.pgdata : stagedData(staging);
}

/** True for a holder in which nobody has put anything yet: cut off before the marker was there, at most with a piece of it under the name it arrives by. */
export function isUnclaimed(entries: readonly string[]): boolean {
  return entries.every((name) => name.startsWith(WRITE_PREFIX));
}

/** Removes the staging of an unfinished run and what it filled outside. Throws when the marker does not prove that it is ours. */
export async function removeStaging(host: Host, staging: Staging): Promise<void> {
  const entries = await host.list(staging.holder);
  if (entries === null) return;
  const marker = await readMarker(host, staging.holder);
  if (marker === null && !isUnclaimed(entries)) {
    throw new PgreplError('unfinished', 'staging-foreign', `${staging.holder} has no marker of pgrepl and is left alone`);
  }
  for (const directory of marker?.also ?? []) {
    for (const name of (await host.list(directory)) ?? []) await host.removeTree(`${directory}/${name}`);
  }
  // The marker goes last: a removal that stops half way must still be known as ours.
  for (const name of entries) if (name !== 'marker.json') await host.removeTree(`${staging.holder}/${name}`);
  await host.removeTree(staging.holder);
}

/**
 * Throws away what an interrupted copy has left in the staged directory, and in the directories outside that were made for it, and makes it anew,
 * empty and locked. Whoever still writes into it must have been stopped. Throws what the host throws.
 */
export async function makeStagedAnew(host: Host, staging: Staging): Promise<void> {
  await host.removeTree(stagedData(staging));
  for (const outside of (await readMarker(host, staging.holder))?.also ?? []) {
    for (const name of (await host.list(outside)) ?? []) await host.removeTree(`${outside}/${name}`);
  }
  await host.makeDirectory(stagedData(staging), LOCKED_MODE);
}

/** A fact about the staging that outlives a crash: `copied`, `verified`. */
export async function hasFlag(host: Host, staging: Staging, flag: string): Promise<boolean> {
  return (await host.stat(`${staging.holder}/${flag}`)) !== null;
}

export async function clearFlag(host: Host, staging: Staging, flag: string): Promise<void> {
  if (await hasFlag(host, staging, flag)) await host.removeFile(`${staging.holder}/${flag}`);
}

export async function setFlag(host: Host, staging: Staging, flag: string): Promise<void> {
  await host.writeText(`${staging.holder}/${flag}`, '', { mode: 0o600 });
}
