package bench

import "context"

// runHeartbeat: everybody heartbeats, one request under way each.
func runHeartbeat(ctx context.Context, r *run) error {
	l := &loop{window: 1, payload: (*member).appendHeartbeat}
	return l.run(ctx, r, r.cfg.RoomSize)
}

// runPatch: everybody patches, one request under way each; each patch is
// delivered to the whole room.
func runPatch(ctx context.Context, r *run) error {
	l := &loop{window: 1, payload: (*member).appendPatch}
	return l.run(ctx, r, r.cfg.RoomSize)
}

// runDelivery: some of a large room patch, several requests under way each, so
// that the server always has something to deliver.
func runDelivery(ctx context.Context, r *run) error {
	const talkers, window = 25, 4
	l := &loop{window: window, payload: (*member).appendPatch}
	return l.run(ctx, r, talkers)
}

// runConnectJoin: everybody connects and joins once; the operation is from the
// first byte of the handshake to the join's ack.
func runConnectJoin(ctx context.Context, r *run) error {
	return r.measureFill(ctx, func() {})
}

// runIdle: everybody joins and then says nothing but answers to pings.
func runIdle(ctx context.Context, r *run) error {
	return r.measureFill(ctx, func() { _ = sleep(ctx, r.cfg.Duration) })
}

// measureFill measures the joining itself, and what comes after it until the
// end of hold.
func (r *run) measureFill(ctx context.Context, hold func()) error {
	r.report.Opening = true
	if err := r.startMeasuring(); err != nil {
		return err
	}
	if err := r.fill(ctx, r.listen); err != nil {
		return err
	}
	r.settle(ctx)
	hold()
	if err := r.stopMeasuring(); err != nil {
		return err
	}
	r.finish(ctx)
	return nil
}
