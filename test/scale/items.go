package main

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// eachItem calls for every object of a list.
func eachItem(list client.ObjectList, do func(client.Object)) error {
	err := meta.EachListItem(list, func(o runtime.Object) error {
		object, ok := o.(client.Object)
		if !ok {
			return fmt.Errorf("%T is no object", o)
		}
		do(object)
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking at a list: %w", err)
	}
	return nil
}
