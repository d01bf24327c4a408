import type { Parameter, Value } from '../transport/wire.ts';
import type { LatLon, XY } from './track.ts';

/** The parameters that hold the rover's position: one vector, or one number for each axis. */
export interface Place {
  readonly names: readonly string[];
  /** The position, from the values of `names`; `null` if they hold none. */
  read(values: readonly (Value | undefined)[]): LatLon | XY | null;
}

const LENGTHS = new Set(
  'm,km,cm,mm,ft,yd,mi,nmi,meter,meters,metre,metres,kilometer,kilometers,kilometre,kilometres'.split(
    ',',
  ),
);
const ANGLES = new Set('°,deg,degree,degrees'.split(','));

/** Words of a name that is a position. */
const PLACE_WORDS = new Set(
  'position,positions,pos,location,loc,pose,place,odom,odometry,gps,gnss,fix,coordinates,coords,xy,xyz,site'.split(
    ',',
  ),
);

/** Words of a name that is not a position, whatever its other words and its unit say. */
const OTHER_WORDS = new Set(
  'velocity,vel,speed,acceleration,accel,acc,twist,rate,force,torque,covariance,error,std,stddev,variance,offset,size,dimensions,magnetic,field,gyro,angular,orientation,rotation'.split(
    ',',
  ),
);

/** Scalars with names such as `X_Position`, `pos_x`, `odom.x`, `latitude` and `gps.lon`. */
const AXES = {
  x: ['x', 'easting'],
  y: ['y', 'northing'],
  lat: ['lat', 'latitude'],
  lon: ['lon', 'lng', 'long', 'longitude'],
} as const;

type Axis = keyof typeof AXES;

/**
 * The place among the parameters, or `null`. Latitudes and longitudes take precedence.
 *
 * A place is one by its name, its unit or its component names. Numbers named x and y alone are not:
 * velocities and forces have those too.
 */
export function findPlace(
  parameters: Iterable<Parameter>,
  readValue: (name: string) => Value | undefined,
): Place | null {
  const all = [...parameters];
  const vectors = all.flatMap(
    (parameter) => vectorPlace(parameter, readValue(parameter.name)) ?? [],
  );
  const geographic = vectors.find(({ isGeographic }) => isGeographic);
  return geographic ?? scalarPlace(all, 'lat', 'lon') ?? vectors[0] ?? scalarPlace(all, 'x', 'y');
}

function vectorPlace(parameter: Parameter, value: Value | undefined) {
  const position = positionIn(value);
  if (parameter.kind !== 'vector' || position === null) return null;
  const isGeographic = 'lat' in position;
  if (!isGeographic && !isPlace(parameter)) return null;
  return {
    names: [parameter.name],
    isGeographic,
    read: ([current]: readonly (Value | undefined)[]) => positionIn(current),
  };
}

/** Whether `x` and `y` of the parameter are a position: by its unit, or else by its name. */
function isPlace({ name, unit }: Parameter): boolean {
  const words = wordsOf(name);
  if (words.some((word) => OTHER_WORDS.has(word))) return false;
  if (unit !== '') return LENGTHS.has(unit.toLowerCase());
  return words.some((word) => PLACE_WORDS.has(word));
}

/** Two numbers whose names differ in the axis only. */
function scalarPlace(all: readonly Parameter[], first: Axis, second: Axis): Place | null {
  const seconds = new Map(all.flatMap((parameter) => axisOf(parameter, second)));
  for (const parameter of all) {
    const [rest, name] = axisOf(parameter, first)[0] ?? [];
    const other = rest === undefined ? undefined : seconds.get(rest);
    if (name === undefined || other === undefined) continue;
    return {
      names: [name, other],
      read: ([a, b]) =>
        first === 'lat' ? positionIn({ lat: a, lon: b }) : positionIn({ x: a, y: b }),
    };
  }
  return null;
}

/** One pair, the rest of a parameter's name and the name, if it is an axis of a position. */
function axisOf(parameter: Parameter, axis: Axis): readonly [rest: string, name: string][] {
  const { name, unit, kind } = parameter;
  if (kind !== 'number' && kind !== 'integer') return [];
  const words = wordsOf(name);
  const i = words.findIndex((word) => (AXES[axis] as readonly string[]).includes(word));
  if (i === -1) return [];
  const rest = words.toSpliced(i, 1);
  if (rest.some((word) => OTHER_WORDS.has(word))) return [];
  const known = axis === 'lat' || axis === 'lon' ? ANGLES : LENGTHS;
  const isPosition =
    unit === ''
      ? known === ANGLES || rest.some((word) => PLACE_WORDS.has(word))
      : known.has(unit.toLowerCase());
  return isPosition ? [[rest.join(' '), name]] : [];
}

/** The position in the components of a vector, or `null`. */
export function positionIn(value: unknown): LatLon | XY | null {
  if (typeof value !== 'object' || value === null) return null;
  const parts = value as Record<string, unknown>;
  const lat = parts['lat'] ?? parts['latitude'];
  const lon = parts['lon'] ?? parts['lng'] ?? parts['longitude'];
  if (isWithin(lat, 90) && isWithin(lon, 360)) return { lat, lon };
  const { x, y } = parts;
  return isWithin(x) && isWithin(y) ? { x, y } : null;
}

function isWithin(value: unknown, limit = Number.MAX_VALUE): value is number {
  return typeof value === 'number' && Math.abs(value) <= limit;
}

/** The words of a name, in lower case: those of `armPose.x_position` are arm, pose, x, position. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9°]+/)
    .filter((word) => word !== '');
}
