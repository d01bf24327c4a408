/**
 * Mission Control, the page of Cosmic Rover: components ← store ← transport.
 *
 * Browser tests select the elements below by tag and by `data-testid`:
 *
 * - panels: `simulated`, `source-state` (a source that is not live or ready), `unusable`
 * - header: `connection` (`data-state` live | starting | stale | degraded | down | off |
 *   connecting | reconnecting | silent | disconnected | signed-out | replay), `sources`, `session`,
 *   `sign-out`, `signed-out` (the notice of a browser without access)
 * - time-bar: `time` (`data-state` live | loading | playing | paused | waiting | ended), `replay-time`
 *   (its `datetime`), `replay-state`, `play`, `back-1`, `back-10`, `scrubber`, `range`, `speed`, `go-to`,
 *   `go-live`, `live-alarms`, `time-notice`, `time-retry`. In a replay: `alarms-replay`,
 *   `replay-event`, `replay-alarm` (live too), `recorded-channel`, `commands-replay`, `past-uploads` (each with `data-status` OPEN | COMPLETE |
 *   REJECTED | FAILED)
 * - rover-image: `image-stage`, `image-state` (`data-state` arriving | complete | broken |
 *   not-loaded), `image-camera`, `filmstrip`, `follow-latest`, `image-details`, `video`, `compared`; `time-lapse`
 *   (`data-state` idle | running | done | failed) with `time-lapse-images` and `save`
 * - rover-telemetry: `values` (`data-old` while the stream is silent), `value-NAME` (`data-level`
 *   none | nominal | caution | alarm; `data-stale`; `.value` only while visible), `search`,
 *   `only-alarms`, `shown`, `group`, `charts`, `chart-NAME` with `strip-NAME`, `map`, `window`,
 *   `table`, `pause`, `gap`, `telemetry-empty`, `alarms` (each with `data-parameter`, `data-level`
 *   caution | alarm, `data-state` active | returned, `data-acknowledged`, `data-shelved`;
 *   `acknowledge`, `shelve`, `unshelve`, `alarm-form`, `alarm-action` with `data-state` sending |
 *   refused | unconfirmed), `alarms-silent`, `alarm-counts` (`data-active`,
 *   `data-unacknowledged`), `events` (`event-count`, `event-severity`, `event-search`, `event-rows` with
 *   `data-severity`), `mark`, `moment` (the time that was chosen)
 * - rover-comms: `comms-state` (`data-state` open | silent | connecting | waiting | refused | closed),
 *   `channel`, `name`, `members`, `log` (with `comms-gap` where messages are missing), `compose`,
 *   `refusal`, `shared-link` (the link of the message that is written, from `share` of another panel; in
 *   a replay with `send-live`); a received message has `data-id`,
 *   one of our own `data-state` queued | sent | unconfirmed | delivered
 * - rover-commands: `file`, `upload` and `verdict` (`data-status`), `upload-silent`, `steps` (`data-step`,
 *   `data-state` pending | running | passed | failed | skipped | unknown), `findings`
 *   (`data-severity`), `retry`, `cancel`, `cancel-failure`, `close`, `open-report`
 * - upload-list: `uploads` (`data-status`, `data-state` of its way to the rover), `queue-old`, `report`
 *   with `back`, `artifact`, `sending` (`data-state`) and its actions `release`, `hold`, `withdraw`,
 *   `resend`, `sent`, `move`, `action-failure`, `timeline` (`data-state`); source-text: `source`
 *   (`data-line`, `data-severity`)
 */
import 'uplot/dist/uPlot.min.css';
import './styles/tokens.css';
import './styles/page.css';
import './styles/controls.css';
import './styles/parts.css';
import './styles/header.css';
import './styles/time-bar.css';
import './styles/image.css';
import './styles/telemetry.css';
import './styles/parameter-cards.css';
import './styles/strip-chart.css';
import './styles/traverse-map.css';
import './styles/comms.css';
import './styles/commands.css';
import { AlarmStrip } from './components/alarm-strip.ts';
import { EventList } from './components/event-list.ts';
import { FilmStrip } from './components/film-strip.ts';
import { ImageStage } from './components/image-stage.ts';
import { MissionControl } from './components/mission-control.ts';
import { MissionHeader } from './components/mission-header.ts';
import { ParameterCard } from './components/parameter-card.ts';
import { ParameterCards } from './components/parameter-cards.ts';
import { PastUploads } from './components/past-uploads.ts';
import { RoverCommands } from './components/rover-commands.ts';
import { RoverComms } from './components/rover-comms.ts';
import { RoverImage } from './components/rover-image.ts';
import { RoverTelemetry } from './components/rover-telemetry.ts';
import { SampleTable } from './components/sample-table.ts';
import { SourceText } from './components/source-text.ts';
import { StripChart } from './components/strip-chart.ts';
import { TimeBar } from './components/time-bar.ts';
import { TimeLapseForm } from './components/time-lapse-form.ts';
import { TraverseMap } from './components/traverse-map.ts';
import { UploadList } from './components/upload-list.ts';

const elements = {
  'image-stage': ImageStage,
  'film-strip': FilmStrip,
  'alarm-strip': AlarmStrip,
  'event-list': EventList,
  'parameter-card': ParameterCard,
  'parameter-cards': ParameterCards,
  'strip-chart': StripChart,
  'traverse-map': TraverseMap,
  'sample-table': SampleTable,
  'mission-header': MissionHeader,
  'time-bar': TimeBar,
  'time-lapse-form': TimeLapseForm,
  'rover-image': RoverImage,
  'rover-telemetry': RoverTelemetry,
  'rover-comms': RoverComms,
  'rover-commands': RoverCommands,
  'source-text': SourceText,
  'upload-list': UploadList,
  'past-uploads': PastUploads,
  'mission-control': MissionControl,
} as const;

for (const [name, element] of Object.entries(elements)) customElements.define(name, element);

declare global {
  interface HTMLElementTagNameMap {
    'image-stage': ImageStage;
    'mission-control': MissionControl;
  }
}
