import { looked } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { fewLines, nameList } from '../wording.ts';

/** What functions of the primary's databases are written in must be on every machine: a standby replays without it, and fails when it is used. */
export const libraries: Rule = {
  id: 'libraries',
  hazards: ['D29'],
  about: 'extensions and libraries that the databases use are installed on every node, in one version',
  needs: ['health', 'databases'],
  judge: (facts) => {
    const all = looked(facts);
    const primary = all.find(({ node }) => node === facts.view.primary);
    const databases = primary?.extras.databases ?? null;
    if (primary === undefined || databases === null) return [];
    const preloaded = (primary.node.server?.settings['shared_preload_libraries']?.value ?? '').split(',').map((word) => word.trim().replaceAll('"', '').replace(/^.*\//, '').replace(/\.so$/, '')).filter((word) => word !== '');
    const needed = [...new Set([...databases.flatMap(({ libraries: used }) => used), ...preloaded])];
    const used = new Map(databases.flatMap(({ extensions }) => extensions.map(({ name, version }) => [name, version] as const)));
    return all.flatMap((one): readonly RuleFinding[] => {
      const there = one.extras.files?.libraries ?? null;
      const missing = there === null ? [] : needed.filter((name) => !there.includes(name) && !name.includes('/'));
      const without = [...used.keys()].filter((name) => one.health.available[name] === undefined);
      const other = [...used.keys()].filter((name) => one !== primary && one.health.available[name] !== undefined && one.health.available[name] !== primary.health.available[name]);
      const name = one.node.name;
      return [
        ...(missing.length + without.length === 0 ? [] : [{ id: 'library-missing', level: 'critical' as const, node: name, hazard: 'D29', says: `${name} does not have ${nameList([...new Set([...missing, ...without])])}, which the databases use`, evidence: fewLines([...missing.map((library) => `library ${library} is not there`), ...without.map((extension) => `extension ${extension} ${used.get(extension) ?? ''} is not there`)]), hint: missing.some((library) => preloaded.includes(library)) ? 'It is preloaded: the next start fails without it.' : 'It replicates, and whatever uses it fails there, also once it is promoted. Install the package.', next: [] }]),
        ...(other.length === 0 ? [] : [{ id: 'extension-versions', level: 'warning' as const, node: name, hazard: 'D29', says: `${name} has other versions of ${nameList(other)} than ${primary.node.name}`, evidence: fewLines(other.map((extension) => `${extension}: ${one.health.available[extension] ?? '?'} here, ${primary.health.available[extension] ?? '?'} there`)), hint: 'Its library may not fit the functions that the databases have. Install the same package everywhere.', next: [] }]),
      ];
    });
  },
};
