import type { Host } from '../host/host.ts';

/** Whose a directory is that a run has made: `marker.json` in it. `null` where there is none; a torn or foreign file proves nothing, and counts as none. Reads only. */
export async function readMarkerIn<T>(host: Host, folder: string, isMarker: (value: unknown) => value is T): Promise<T | null> {
  const text = await host.readText(`${folder}/marker.json`);
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isMarker(value) ? value : null;
  } catch {
    return null;
  }
}
