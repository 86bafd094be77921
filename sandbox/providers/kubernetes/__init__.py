"""The embedded Kubernetes provider: any kind by server-side apply to a real API server, and releases by the real helm.

It follows pulumi-kubernetes in its server-side apply mode: names, the annotations `pulumi.com/patchForce`,
`pulumi.com/skipAwait` and `pulumi.com/deletionPropagationPolicy`, what is replaced and what is changed in place, and
the settings `enableSecretMutable` and `enableConfigMapMutable`. What it does not know it refuses by name.
"""
