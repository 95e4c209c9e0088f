"""The one harness that trains every network of the suite. It knows the interface of methods, never their names."""
