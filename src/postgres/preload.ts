/** Settings that name libraries to load, and when the server looks for them. */
export const PRELOADS = ['shared_preload_libraries', 'session_preload_libraries', 'local_preload_libraries'] as const;

export type Preload = (typeof PRELOADS)[number];

/** A library of a setting, and the files of which the first that is there is loaded; `$libdir` stands for the library directory of the installation. */
export interface PreloadedLibrary {
  readonly name: string;
  readonly setting: Preload;
  readonly files: readonly string[];
}

/**
 * Where the server looks for each library of this list (load_libraries in miscinit.c, expand_dynamic_library_name in dfmgr.c). A path that
 * is relative to the data directory is left out: it comes with the copy.
 */
export function preloadedLibraries(setting: Preload, value: string, libraryPath: string): readonly PreloadedLibrary[] {
  const directories = setting === 'local_preload_libraries' ? ['$libdir/plugins'] : libraryPath.split(':').filter((directory) => directory !== '');
  return namesIn(value).flatMap((name): readonly PreloadedLibrary[] => {
    if (!name.includes('/')) return [{ name, setting, files: directories.map((directory) => `${directory}/${name}`) }];
    return name.startsWith('/') || name.startsWith('$libdir/') ? [{ name, setting, files: [name] }] : [];
  });
}

/** Names between commas, in double quotes where they hold one (SplitDirectoriesString of varlena.c). */
function namesIn(value: string): readonly string[] {
  return [...value.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,"]+?))\s*(?:,|$)/g)].map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '').filter((name) => name !== '');
}
