/** Progress of the running job: the public route, and the one that web pages of the original use. */
import type { PixelImage } from '../../lib/rpc/engine';
import { encodePng } from '../node_images';
import { IDLE_STATE, timestamp } from '../engine/running_job';
import { json, type Call, type Reply } from '../server/route';
import { readFields } from './field';
import { INTERNAL_PROGRESS_FIELDS } from './fields';
import type { ApiState } from './state';

const encoded = new WeakMap<PixelImage, string>();

/** Base64 PNG of a preview; clients poll faster than previews come. */
function previewText(preview: PixelImage): string {
  let text = encoded.get(preview);
  if (text === undefined) {
    text = Buffer.from(encodePng(preview)).toString('base64');
    encoded.set(preview, text);
  }
  return text;
}

export function progressRoute({ desk }: ApiState, { query }: Call): Reply {
  const job = desk.running;
  if (!job) {
    const state = { ...IDLE_STATE, job_timestamp: timestamp(new Date()) };
    return json({ progress: 0, eta_relative: 0, state, current_image: null, textinfo: null, current_task: null });
  }
  const skip = /^(?:true|1|on|yes)$/i.test(query.get('skip_current_image') ?? '');
  return json({
    progress: job.progress,
    eta_relative: job.etaSeconds,
    state: job.state,
    current_image: skip || !job.preview ? null : previewText(job.preview),
    textinfo: job.text ?? null,
    current_task: job.facts.taskId ?? null,
  });
}

/** @throws HttpError 422 */
export function internalProgressRoute({ desk }: ApiState, { body }: Call): Reply {
  const { values } = readFields(INTERNAL_PROGRESS_FIELDS, body);
  const where = desk.taskState(values.id_task);
  const job = desk.running;
  if (where !== 'active' || !job) {
    const text = where === 'queued' ? 'In queue...' : 'Waiting...';
    return json({
      active: false,
      queued: where === 'queued',
      completed: where === 'done',
      progress: null,
      eta: null,
      live_preview: null,
      id_live_preview: -1,
      textinfo: text,
    });
  }
  const fresh = values.live_preview && job.preview && job.previewId !== values.id_live_preview;
  return json({
    active: true,
    queued: false,
    completed: false,
    progress: job.progress,
    eta: job.etaSeconds,
    live_preview: fresh && job.preview ? `data:image/png;base64,${previewText(job.preview)}` : null,
    id_live_preview: job.previewId,
    textinfo: job.text ?? null,
  });
}
