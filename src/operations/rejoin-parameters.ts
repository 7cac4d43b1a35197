import type { Reason } from '../errors.ts';
import { REQUIRED_PARAMETERS } from '../postgres/control-data.ts';
import type { World } from '../steps/world.ts';
import type { NodeView } from './cluster.ts';
import { outsideConfig, valuesOf } from './config.ts';

/** A standby that is lower than its primary in one of the five stops or stands still (hazard A01). Reads only. */
export async function tooLow(world: World, node: NodeView, primary: NodeView): Promise<readonly Reason[]> {
  if (node.facts.server !== null) return [];
  const { place } = node.facts;
  const name = node.spec.name;
  const programs = await world.node(name).programs();
  const configFile = node.config === null ? null : outsideConfig(node.config, place.pgdata);
  const auto = valuesOf(node.config?.auto ?? null);
  const reasons = await Promise.all(
    REQUIRED_PARAMETERS.map(async (parameter): Promise<readonly Reason[]> => {
      const needed = primary.facts.server?.settings[parameter]?.value;
      const own = await programs.settingValue(place.pgdata, configFile, parameter);
      if (needed === undefined || own === null || Number(own) >= Number(needed)) return [];
      const file = auto.has(parameter) ? `${place.pgdata}/postgresql.auto.conf` : (node.config?.confFile ?? `${place.pgdata}/postgresql.conf`);
      return [{ code: 'parameter-too-low', node: name, message: `${parameter} is ${own} on ${name} and ${needed} on ${primary.spec.name}: as a standby it would stop or stand still`, hint: 'Raise it first; the last line of a name counts.', next: [`echo "${parameter} = ${needed}" >> ${file}`] }];
    }),
  );
  return reasons.flat();
}
