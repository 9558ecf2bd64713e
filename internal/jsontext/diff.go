package jsontext

// Diff appends what leads from the object base to the object next, by their own keys: to patch an
// object with each key that next has with another value, or that base lacks, and to removed an array of
// the keys that next lacks. removed stays as it is when next lacks none. Keys are compared as in
// [Merge], values as by [SameText]. If one of the two is no object, that is ErrType.
func Diff(patch, removed, base, next []byte) (p, r []byte, err error) {
	m := mergers.Get().(*merger)
	defer m.free()
	if err := Members(base, m.addOld); err != nil {
		return patch, removed, err
	}
	if err := Members(next, m.set); err != nil {
		return patch, removed, err
	}
	patch = append(patch, '{')
	begin := len(patch)
	none := true
	for _, p := range m.pairs {
		switch {
		case p.value == nil:
			if none {
				removed = append(removed, '[')
			} else {
				removed = append(removed, ',')
			}
			none = false
			removed = append(removed, p.key...)
		case p.was == nil || !SameText(p.value, p.was):
			if len(patch) > begin {
				patch = append(patch, ',')
			}
			patch = append(patch, p.key...)
			patch = append(patch, ':')
			patch = append(patch, p.value...)
		}
	}
	if !none {
		removed = append(removed, ']')
	}
	return append(patch, '}'), removed, nil
}

// addOld adds a member that is not to stay unless it is set.
func (m *merger) addOld(key, value []byte) error {
	i := m.find(key)
	if i < 0 {
		i = len(m.pairs)
		if err := m.add(key, value); err != nil {
			return err
		}
	}
	m.pairs[i].was, m.pairs[i].value = value, nil
	return nil
}
